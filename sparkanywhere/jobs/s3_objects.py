"""s3:// objects as URLs that a pod fetches without credentials: signed by us, with what credentials there are here.

AWS General Reference, "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)". A URL ends with the
credentials that signed it, if these end earlier.
"""

from __future__ import annotations

from typing import Any

from sparkanywhere.jobs.job_files import S3, Fetched

URL_SECONDS = 12 * 3600  # to begin the fetch: as long as most sessions last
HELP = {
    "403": "these credentials may not read it: ask for s3:GetObject on it",
    "404": "there is no such object",
    "NoSuchBucket": "there is no such bucket",
}


class FileFailed(Exception):
    """A file of the job cannot be brought to its pod; str() is one sentence."""


def split_url(url: str) -> tuple[str, str]:
    """Return bucket and key of an s3:// URL. Raises FileFailed."""
    bucket, _, key = url.removeprefix(S3).partition("/")
    if not bucket or not key or key.endswith("/"):
        raise FileFailed(f"{url} names no object: write s3://bucket/key")
    return bucket, key


def signed(url: str) -> Fetched | None:
    """Return an object with a URL signed here; None where there are no credentials. Raises FileFailed."""
    import boto3  # lazy: only jobs with s3:// files pay for it
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = split_url(url)
    try:
        session = boto3.Session()
        if session.get_credentials() is None:
            return None
        client = session.client("s3", config=Config(signature_version="s3v4"))
        found = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        client = _at(session, client, bucket)
        params = {"Bucket": bucket, "Key": key}
        if found.get("VersionId"):
            params["VersionId"] = found["VersionId"]
        link = client.generate_presigned_url("get_object", Params=params, ExpiresIn=URL_SECONDS)
    except ClientError as error:
        raise FileFailed(f"{url} cannot be read: {_why(error)}.") from error
    except BotoCoreError as error:
        raise FileFailed(f"{url} cannot be read: {error}") from error
    return Fetched(url, link, int(found["ContentLength"]), _sha256(found))


def _at(session: Any, client: Any, bucket: str) -> Any:  # Any: boto3 makes these at run time
    """Return a client of the bucket's own region and host: a URL that leads to another one only redirects.

    A signature holds for one host. Where the S3 is not Amazon's, its client signs for the host that it asks.
    """
    from botocore.config import Config

    if ".amazonaws." not in client.meta.endpoint_url:
        return client
    config = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    return session.client("s3", region_name=_region(client, bucket), config=config)


def _region(client: Any, bucket: str) -> str:  # Any: a boto3 client
    """Return a bucket's region; S3 tells it also to who may not list the bucket."""
    from botocore.exceptions import ClientError

    try:
        answer = client.head_bucket(Bucket=bucket)
    except ClientError as error:
        answer = error.response
    told = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region")
    return str(told or client.meta.region_name)


def _sha256(found: Any) -> str:  # Any: an answer of boto3
    """Return the object's checksum where S3 knows it for the whole of it."""
    import base64

    text = found.get("ChecksumSHA256") or ""
    if not text or "-" in text or found.get("ChecksumType") == "COMPOSITE":
        return ""
    return base64.b64decode(text).hex()


def _why(error: Any) -> str:  # Any: a ClientError
    about = error.response.get("Error") or {}
    code = str(about.get("Code") or "")
    if code in ("ExpiredToken", "ExpiredTokenException") or "expired" in str(about.get("Message")).lower():
        return "the AWS credentials have expired: log in again"
    if code == "400":  # a HEAD has no body that could say more; expired and wrong credentials end so
        return "S3 refused the request (400): see whether the AWS credentials are valid still"
    return HELP.get(code, f"{code}: {about.get('Message') or 'no more is said'}").rstrip(".")
