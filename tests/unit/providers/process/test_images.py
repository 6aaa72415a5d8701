"""Image names and the installed Sparks they stand for."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.process.images import SparkHomes, choose_version, is_spark_image, split_image


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("spark", ("spark", "")),
        ("apache/spark:4.3.0", ("spark", "4.3.0")),
        ("registry.example:5000/team/spark:3.5.9-python3", ("spark", "3.5.9-python3")),
        ("registry.example:5000/spark", ("spark", "")),
        ("spark:4.3.0@sha256:0123", ("spark", "4.3.0")),
        ("spark@sha256:0123", ("spark", "")),
    ],
)
def test_an_image_name_is_taken_apart(image: str, expected: tuple[str, str]) -> None:
    assert split_image(image) == expected


@pytest.mark.parametrize(
    "image", ["spark", "apache/spark:4.3.0", "spark-py:v3", "a.b/c/spark-r", "pyspark:1", "x/Spark:2"]
)
def test_names_that_mean_spark(image: str) -> None:
    assert is_spark_image(image)


@pytest.mark.parametrize(
    "image", ["busybox", "spark/other:1", "spark-operator:1", "sparkmagic", "my-spark-app:2"]
)
def test_names_that_mean_something_else(image: str) -> None:
    assert not is_spark_image(image)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("4.3.0", "4.3.0"),
        ("v4.3.0", "4.3.0"),
        ("4.3.0-scala2.13-java17-python3-ubuntu", "4.3.0"),
        ("3.5", "3.5.10"),
        ("3", "3.5.10"),
        ("", "4.3.0"),
        ("latest", "4.3.0"),
        ("python3", "4.3.0"),
        ("4.3", "4.3.0"),
        ("4.3.1", None),
        ("4.30", None),
    ],
)
def test_a_tag_chooses_the_newest_version_that_fits(tag: str, expected: str | None) -> None:
    assert choose_version(tag, ["3.5.9", "4.3.0", "3.5.10"]) == expected


def test_without_any_spark_none_is_chosen() -> None:
    assert choose_version("", []) is None


def test_an_image_finds_its_home_and_java(tmp_path: Path) -> None:
    (tmp_path / "4.3.0").mkdir()
    (tmp_path / "4.3.0/JAVA_HOME").write_text("/some/java\n")

    home = SparkHomes(tmp_path).find("apache/spark:4.3.0", pull="missing")

    assert home
    assert (home.path, home.java_home) == (tmp_path / "4.3.0", "/some/java")


def test_other_images_need_no_home(tmp_path: Path) -> None:
    assert SparkHomes(tmp_path).find("busybox", pull="always") is None


@pytest.mark.parametrize(
    ("image", "pull", "reason", "command"),
    [
        ("spark:3.5.9", "missing", "ErrImagePull", "`make spark SPARK=3.5.9`"),
        ("spark:3.5.9", "never", "ErrImageNeverPull", "`make spark SPARK=3.5.9`"),
        ("spark", "missing", "ErrImagePull", "`make spark`"),
    ],
)
def test_a_missing_spark_names_its_remedy(
    tmp_path: Path, image: str, pull: str, reason: str, command: str
) -> None:
    with pytest.raises(ProviderUnavailable) as caught:
        SparkHomes(tmp_path).find(image, pull=pull)

    assert caught.value.reason == reason
    assert command in caught.value.message
