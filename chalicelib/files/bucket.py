"""Files in an S3 bucket: clients and pods send and fetch by presigned URLs, so that no byte passes through us.

Amazon S3 API Reference, PutObject and "Authenticating Requests: Using Query Parameters" (2006-03-01): S3 itself
refuses a body that has another length or SHA-256 than were signed.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Collection, Iterator
from typing import Any

from chalicelib.aws_client import aws_client
from chalicelib.extras import lacking
from chalicelib.files.base import ChecksumWrong, FileNotHere, FileStoreUnavailable, Upload, content_path

PREFIX = "staged"  # of the keys; what Terraform's roles and its lifecycle rule speak of
UPLOAD_SECONDS = 3600  # to begin the PUT; one that has begun may take longer
OBJECT_SECONDS = 12 * 3600  # a job may wait for capacity; the role's own session may end before
FETCH_SECONDS = 900  # to begin the GET: a pod asks for the URL when it needs it
# Without ListBucket an absent object is a 403.
ABSENT = ("404", "NoSuchKey", "NotFound", "403", "AccessDenied", "Forbidden")


class BucketFiles:
    """A FileStore in one bucket, under staged/NAMESPACE/SHA256."""

    def __init__(self, bucket: str, region: str, client: Callable[[str], Any] | None = None) -> None:
        self._bucket = bucket
        self._region = region
        self._make_client = client or s3_client
        self._client: Any = None
        self._making = threading.Lock()

    @property
    def _s3(self) -> Any:  # Any: boto3 makes its clients at run time
        with self._making:
            if self._client is None:
                self._client = self._make_client(self._region)
            return self._client

    def _place(self, namespace: str, sha256: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{PREFIX}/{content_path(namespace, sha256)}"}

    def size(self, namespace: str, sha256: str) -> int | None:
        """Return the bytes of an object, None if there is none."""
        try:
            return int(self._s3.head_object(**self._place(namespace, sha256))["ContentLength"])
        except Exception as error:  # boto3's errors have no common base of ours
            if _code(error) in ABSENT:
                return None
            raise FileStoreUnavailable(f"the bucket {self._bucket} did not answer: {error}") from error

    def upload(self, namespace: str, sha256: str, *, size: int) -> Upload:
        """Return a URL for one PUT of exactly this content."""
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
        params = {**self._place(namespace, sha256), "ContentLength": size, "ChecksumSHA256": checksum}
        url = self._s3.generate_presigned_url("put_object", Params=params, ExpiresIn=UPLOAD_SECONDS)
        return Upload(url, {"Content-Length": str(size), "x-amz-checksum-sha256": checksum})

    def append(self, namespace: str, sha256: str, piece: bytes, *, offset: int, size: int) -> int:
        """Refuse: contents go to the bucket itself."""
        del namespace, sha256, piece, offset, size
        raise ChecksumWrong("files are sent to the URL that was given, not here")

    def open(self, namespace: str, sha256: str) -> Iterator[bytes] | str:
        """Return a URL for a GET, whether the object is there or not: S3 says so itself."""
        place = self._place(namespace, sha256)
        return str(self._s3.generate_presigned_url("get_object", Params=place, ExpiresIn=FETCH_SECONDS))

    def remove(self, namespace: str, sha256: str) -> None:
        """Delete the object; S3 takes a missing one for done."""
        try:
            self._s3.delete_object(**self._place(namespace, sha256))
        except Exception as error:
            raise FileStoreUnavailable(f"{self._bucket} keeps {sha256}: {error}") from error


class JobBuckets:
    """Buckets that the administrator lets jobs bring files from, by the control plane's own role."""

    def __init__(self, buckets: Collection[str], region: str, client: Callable[[str], Any] | None = None) -> None:
        self._buckets = buckets
        self._region = region
        self._make_client = client or s3_client

    def signed(self, url: str) -> tuple[str, int]:
        """Return a URL to fetch an s3:// object by, and its size. Raises FileNotHere, FileStoreUnavailable."""
        bucket, _, key = url.removeprefix("s3://").partition("/")
        if bucket not in self._buckets or not key:
            raise FileNotHere(f"{bucket} is not among SPARKANYWHERE_JOB_BUCKETS")
        place = {"Bucket": bucket, "Key": key}
        s3 = self._make_client(self._region)
        try:
            size = int(s3.head_object(**place)["ContentLength"])
        except Exception as error:  # boto3's errors have no common base of ours
            if _code(error) in ABSENT:
                raise FileNotHere(f"{url} is not there, or the control plane's role may not read it") from error
            raise FileStoreUnavailable(f"the bucket {bucket} did not answer: {error}") from error
        return str(s3.generate_presigned_url("get_object", Params=place, ExpiresIn=OBJECT_SECONDS)), size


def s3_client(region: str) -> Any:  # Any: boto3 makes its clients at run time
    """Return an S3 client whose URLs are signed for one region. Raises FileStoreUnavailable."""
    if words := lacking("aws"):
        raise FileStoreUnavailable(words)
    # Else URLs name a host that only redirects, which a signature forbids.
    return aws_client("s3", region, signature_version="s3v4", s3={"addressing_style": "virtual"})


def _code(error: Exception) -> str:
    response: dict[str, Any] = getattr(error, "response", None) or {}
    return str((response.get("Error") or {}).get("Code") or "")
