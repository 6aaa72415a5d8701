"""A bucket's files go by presigned URLs, which hold for one content alone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import requests
from moto import mock_aws

from chalicelib.files.base import FileNotHere, FileStoreUnavailable
from chalicelib.files.bucket import BucketFiles, JobBuckets

CONTENT = b"spark" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
CHECKSUM = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[BucketFiles]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="project")
        yield BucketFiles("project", "us-east-1")


def test_what_is_put_to_the_url_is_got_from_the_other(files: BucketFiles) -> None:
    upload = files.upload("ns", SHA256, size=len(CONTENT))
    assert files.size("ns", SHA256) is None

    assert requests.put(upload.url, CONTENT, headers=upload.headers, timeout=5).status_code == 200

    assert files.size("ns", SHA256) == len(CONTENT)
    found = files.open("ns", SHA256)
    assert isinstance(found, str)
    assert requests.get(found, timeout=5).content == CONTENT


def test_length_and_checksum_are_part_of_what_is_signed(files: BucketFiles) -> None:
    upload = files.upload("ns", SHA256, size=len(CONTENT))

    query = parse_qs(urlsplit(upload.url).query)
    signed = query["X-Amz-SignedHeaders"][0].split(";")
    assert "content-length" in signed
    assert "x-amz-checksum-sha256" in signed or query["x-amz-checksum-sha256"] == [CHECKSUM]
    assert upload.headers["x-amz-checksum-sha256"] == CHECKSUM


def test_objects_lie_where_the_roles_and_the_lifecycle_rule_say(files: BucketFiles) -> None:
    path = urlsplit(files.upload("ns", SHA256, size=1).url).path

    assert path.endswith(f"/staged/ns/{SHA256}")


def test_urls_name_the_host_of_the_region(files: BucketFiles) -> None:
    far = BucketFiles("project", "eu-west-1").upload("ns", SHA256, size=1)

    assert urlsplit(far.url).hostname == "project.s3.eu-west-1.amazonaws.com"
    assert urlsplit(files.upload("ns", SHA256, size=1).url).hostname == "project.s3.amazonaws.com"


def test_removing_may_be_repeated(files: BucketFiles) -> None:
    upload = files.upload("ns", SHA256, size=len(CONTENT))
    requests.put(upload.url, CONTENT, headers=upload.headers, timeout=5)

    files.remove("ns", SHA256)
    files.remove("ns", SHA256)

    assert files.size("ns", SHA256) is None


@pytest.mark.usefixtures("files")
def test_a_job_brings_objects_of_the_buckets_that_are_named() -> None:
    boto3.client("s3", region_name="us-east-1").put_object(Bucket="project", Key="a/b.py", Body=CONTENT)
    buckets = JobBuckets(["project"], "us-east-1")

    url, size = buckets.signed("s3://project/a/b.py")

    assert (requests.get(url, timeout=5).content, size) == (CONTENT, len(CONTENT))
    for other in ("s3://project/none", "s3://project/", "s3://other/a/b.py"):
        with pytest.raises(FileNotHere):
            buckets.signed(other)


def test_a_bucket_that_is_not_there_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws(), pytest.raises(FileStoreUnavailable, match="nowhere"):
        BucketFiles("nowhere", "us-east-1").remove("ns", SHA256)
