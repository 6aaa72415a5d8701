"""s3:// objects are signed with the credentials that are here, and what is wrong with them is one sentence."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import requests
from botocore.exceptions import ClientError
from moto import mock_aws

from sparkanywhere.client.kube_client import Access, ApiError, KubeClient
from sparkanywhere.jobs.job_files import FileFailed, Sorted
from sparkanywhere.jobs.s3_objects import _why, objects_at, signed
from sparkanywhere.jobs.staging import bring

CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:  # Any: a boto3 client
    for name in CREDENTIALS:
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="jobs")
        yield client


def test_an_object_gets_a_url_that_anybody_may_fetch_it_by(bucket: Any) -> None:
    bucket.put_object(Bucket="jobs", Key="a b/job.py", Body=b"print(1)", ChecksumAlgorithm="SHA256")

    found = signed("s3://jobs/a b/job.py")

    assert found is not None
    assert requests.get(found.url, timeout=5).content == b"print(1)"
    assert found.size == 8
    assert found.sha256 == hashlib.sha256(b"print(1)").hexdigest()
    assert " " not in found.url


def test_a_url_names_the_host_of_its_buckets_region(bucket: Any) -> None:
    far = boto3.client("s3", region_name="eu-west-1")
    far.create_bucket(Bucket="far", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    far.put_object(Bucket="far", Key="job.py", Body=b"x")
    bucket.put_object(Bucket="jobs", Key="job.py", Body=b"x")

    hosts = [urlsplit(found.url).hostname for url in ("far", "jobs") if (found := signed(f"s3://{url}/job.py"))]

    assert hosts == ["far.s3.eu-west-1.amazonaws.com", "jobs.s3.amazonaws.com"]


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("s3://jobs/none.py", "there is no such object"),
        ("s3://nowhere/job.py", "there is no such"),
        ("s3://jobs", "s3://bucket/key"),
        ("s3://jobs/", "s3://bucket/key"),
        ("s3://jobs/folder/", "s3://bucket/key"),
    ],
)
@pytest.mark.usefixtures("bucket")
def test_what_is_not_there_is_said_so(url: str, sentence: str) -> None:
    with pytest.raises(FileFailed, match=sentence):
        signed(url)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("403", "ask for s3:GetObject"),
        ("ExpiredToken", "have expired: log in again"),
        ("400", "valid still"),
        ("SlowDown", "SlowDown: try later"),
    ],
)
def test_what_s3_refuses_is_said_with_what_to_do(code: str, sentence: str) -> None:
    error = ClientError({"Error": {"Code": code, "Message": "try later"}}, "HeadObject")

    assert sentence in _why(error)


def test_all_objects_of_a_folder_are_read_and_no_others(bucket: Any) -> None:
    names = [f"{number:04}" for number in range(1001)]  # a page has 1,000
    for key in ("logs/app", *(f"logs/app/{name}" for name in names), "logs/app-2/0000"):
        bucket.put_object(Bucket="jobs", Key=key, Body=key.encode())

    found = [(name, file.read().decode()) for name, file in objects_at("jobs", "logs/app", {})]

    assert found == [("app", "logs/app"), *((name, f"logs/app/{name}") for name in names)]
    assert list(objects_at("jobs", "logs/none", {})) == []
    with pytest.raises(FileFailed, match="s3://nowhere/logs cannot be read: there is no such bucket"):
        list(objects_at("nowhere", "logs", {}))
    with pytest.raises(FileFailed, match="cannot be read: Invalid IPv6 URL"):
        list(objects_at("jobs", "logs", {"spark.hadoop.fs.s3a.endpoint": "http://[:"}))


class Plane(KubeClient):
    """A control plane that signs, or refuses to."""

    def __init__(self, answer: ApiError | None) -> None:
        super().__init__(Access("http://127.0.0.1:1"))
        self._answer = answer

    def create(self, path: str, obj: dict[str, Any], **_how: Any) -> dict[str, Any]:
        """Answer as told."""
        if self._answer is not None:
            raise self._answer
        assert (path, obj) == ("/sparkanywhere/v1/namespaces/ns/files", {"url": "s3://jobs/job.py"})
        return {"spec": {"size": 8}, "status": {"fetchURL": "https://signed"}}


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no credentials, wherever boto3 looks."""
    for name in (*CREDENTIALS, "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")


@pytest.mark.usefixtures("nobody")
def test_without_credentials_the_control_plane_signs() -> None:
    (found,) = bring(Plane(None), "ns", Sorted((), (), ("s3://jobs/job.py",)))

    assert (found.url, found.size) == ("https://signed", 8)


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ApiError(404, "the server could not find the requested resource"), "it keeps no files"),
        (ApiError(403, "names no bucket"), "names no bucket"),
    ],
)
def test_if_nobody_can_sign_both_are_said(error: ApiError, sentence: str) -> None:
    with pytest.raises(FileFailed, match=f"no AWS credentials here.*{sentence}"):
        bring(Plane(error), "ns", Sorted((), (), ("s3://jobs/job.py",)))
