"""What is no place of files is told by the option that names it."""

from __future__ import annotations

import pytest

from sparkanywhere.jobs.spec_problems import place_problem


@pytest.mark.parametrize("place", ["s3://bucket", "s3a://bucket/a/b", "hdfs://node:8020/logs", "/logs", "file:///logs"])
def test_a_bucket_and_a_whole_folder_are_places(place: str) -> None:
    assert place_problem("--events", place) == ""


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("s3://", "--events s3:// names no bucket."),
        ("s3:///logs", "--events s3:///logs names no bucket."),
        ("s3:bucket", "--events s3:bucket: name a bucket (s3://, gs://, abfss://) or /a/whole/folder."),
        ("logs", "--events logs: name a bucket (s3://, gs://, abfss://) or /a/whole/folder."),
    ],
)
def test_what_is_no_place_is_told(place: str, problem: str) -> None:
    assert place_problem("--events", place) == problem
