"""What is the name of an image, and what of these can be pushed."""

from __future__ import annotations

import pytest

from sparkanywhere.spark.image_name import IMAGE, TAGGED

DIGEST = f"@sha256:{'0' * 64}"


@pytest.mark.parametrize(
    "name",
    [
        "spark",
        "apache/spark:4.3.0",
        "localhost:5000/a/b__c.d:4.1.4-s3.iceberg-j0123abcd",
        "[::1]:5000/spark",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com/spark",
        "Host.example/spark",
    ],
)
def test_names_with_and_without_a_tag_can_be_pushed(name: str) -> None:
    assert TAGGED.fullmatch(name)
    assert IMAGE.fullmatch(name + DIGEST)
    assert not TAGGED.fullmatch(name + DIGEST)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "bad name",
        "Upper/Case",
        "a//b",
        "/a",
        "a/",
        "a:",
        "a:b:c",
        "a:-x",
        "https://host/a",
        "a_-b",
        f"a:{'x' * 129}",
    ],
)
def test_what_is_no_name_is_none(name: str) -> None:
    assert not IMAGE.fullmatch(name)
