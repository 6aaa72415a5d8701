"""s3:// objects as URLs that a pod fetches without credentials: signed with the credentials of this machine.

Imported only for a job with s3:// files: it loads boto3. AWS General Reference, "Authenticating Requests: Using Query
Parameters (AWS Signature Version 4)". A URL expires with the credentials that signed it, if these expire earlier.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, BinaryIO

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sparkanywhere.jobs.job_files import S3, Fetched, FileFailed
from sparkanywhere.jobs.s3a_client import client_options

URL_SECONDS = 12 * 3600  # to begin the fetch: as long as most sessions last
HELP = {
    "403": "these credentials may not read it: ask for s3:GetObject on it",
    "404": "there is no such object",
    "NoSuchBucket": "there is no such bucket",
}


def split_url(url: str) -> tuple[str, str]:
    """Return bucket and key of an s3:// URL. Raises FileFailed."""
    bucket, _, key = url.removeprefix(S3).partition("/")
    if not bucket or not key or key.endswith("/"):
        raise FileFailed(f"{url} names no object: write s3://bucket/key")
    return bucket, key


def signed(url: str) -> Fetched | None:
    """Return an object with a URL signed here; None where there are no credentials. Raises FileFailed."""
    bucket, key = split_url(url)
    try:
        session = boto3.Session()
        if session.get_credentials() is None:
            return None
        client = session.client("s3", config=Config(signature_version="s3v4"))
        found = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        params = {"Bucket": bucket, "Key": key}
        if found.get("VersionId"):
            params["VersionId"] = found["VersionId"]
        client = _client_for(session, client, bucket)
        link = client.generate_presigned_url("get_object", Params=params, ExpiresIn=URL_SECONDS)
    except ClientError as error:
        raise FileFailed(f"{url} cannot be read: {_why(error)}.") from error
    except BotoCoreError as error:
        raise FileFailed(f"{url} cannot be read: {error}") from error
    checksum = found.get("ChecksumSHA256") or ""
    is_of_the_whole = "-" not in checksum and found.get("ChecksumType") != "COMPOSITE"
    sha256 = base64.b64decode(checksum).hex() if is_of_the_whole else ""
    return Fetched(url, link, int(found["ContentLength"]), sha256)


def objects_at(bucket: str, path: str, conf: Mapping[str, str]) -> Iterator[tuple[str, BinaryIO]]:
    """Yield name and content of the object at a path of a bucket, or of those in a folder there.

    `conf` are the settings of the job that wrote them, which may name another S3 than Amazon's. Raises FileFailed.
    """
    try:
        client = boto3.client("s3", **client_options(conf, bucket))
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=path)
        for key in (each["Key"] for page in pages for each in page.get("Contents", ())):
            if key == path or key.startswith(f"{path}/"):
                with closing(client.get_object(Bucket=bucket, Key=key)["Body"]) as body:
                    yield key.rpartition("/")[2], io.BufferedReader(body)
    except ClientError as error:
        raise FileFailed(f"s3://{bucket}/{path} cannot be read: {_why(error)}.") from error
    except (BotoCoreError, ValueError) as error:  # the second of an endpoint that is none
        raise FileFailed(f"s3://{bucket}/{path} cannot be read: {error}") from error


def _client_for(session: Any, client: Any, bucket: str) -> Any:  # Any: boto3 makes these at run time
    """Return a client of the bucket's own region and host: a URL that leads to another one only redirects.

    A signature holds for one host. Where the S3 is not Amazon's, its client signs for the host that it asks.
    """
    if ".amazonaws." not in client.meta.endpoint_url:
        return client
    try:
        answer = client.head_bucket(Bucket=bucket)
    except ClientError as error:  # which names the region too
        answer = error.response
    region = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region")
    config = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    return session.client("s3", region_name=str(region or client.meta.region_name), config=config)


def _why(error: Any) -> str:  # Any: a ClientError
    about = error.response.get("Error") or {}
    code = str(about.get("Code") or "")
    if code in ("ExpiredToken", "ExpiredTokenException") or "expired" in str(about.get("Message")).lower():
        return "the AWS credentials have expired: log in again"
    if code == "400":  # a HEAD has no body that could say more; expired and wrong credentials end so
        return "S3 refused the request (400): see whether the AWS credentials are valid still"
    return HELP.get(code, f"{code}: {about.get('Message') or 'no more is said'}").rstrip(".")
