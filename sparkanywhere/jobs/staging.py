"""Bring a job's files to where its pods fetch them: uploads to the control plane or its bucket, and s3:// by URL.

An upload that breaks resumes where it broke; the control plane removes files that are no longer needed.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from chalicelib.extras import lacking
from sparkanywhere.client.kube_client import BINARY, ApiError, ApiUnreachable, KubeClient
from sparkanywhere.jobs.job_files import Fetched, FileFailed, Sorted

PIECE_BYTES = 2 * 1024 * 1024  # below the 3 MiB that a request may have
ATTEMPTS = 5  # without progress, of one upload
RETRY_SECONDS = 1.0
PUT_SECONDS = 120.0  # of silence while S3 takes a file
SAID_ONE_BY_ONE = 3  # files; of more the sum is said
PASSING = (409, 429, 500, 502, 503, 504)  # HTTP codes after which an upload is tried again
_CODE = re.compile(r"<Code>(\w+)</Code>")

Say = Callable[[str], None]


def nothing(_line: str) -> None:
    """Say nothing."""


def bring(
    client: KubeClient,
    namespace: str,
    files: Sorted,
    *,
    needed_by: str = "",
    say: Say = nothing,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Fetched, ...]:
    """Upload what is not there yet and return what the pod has to fetch. Raises FileFailed, ApiUnreachable.

    `needed_by` (`pods/NAME` or `jobs/NAME`) alone can fetch them then, until it has ended. May be repeated: what
    has been uploaded once is found again.
    """
    objects: list[Fetched] = []
    if files.objects:
        if words := lacking("aws"):
            raise FileFailed(f"For {files.objects[0]} {words}")
        from sparkanywhere.jobs.s3_objects import signed  # it loads boto3

        objects = [signed(url) or _signed_there(client, namespace, url) for url in files.objects]
    if len(files.staged) > SAID_ONE_BY_ONE:
        megabytes = sum(Path(path).stat().st_size for path in files.staged) / 1e6
        say(f"uploading {len(files.staged)} files, {megabytes:,.1f} MB, but for those that are there already")
        say = nothing
    uploads = (_Upload(client, namespace, path, needed_by, say=say, sleep=sleep) for path in files.staged)
    return (*(upload.run() for upload in uploads), *objects)


def _signed_there(client: KubeClient, namespace: str, url: str) -> Fetched:
    """Have the control plane sign for an object that we have no credentials for."""
    try:
        made = client.create(f"/sparkanywhere/v1/namespaces/{namespace}/files", {"url": url})
    except ApiError as error:
        why = "it keeps no files" if error.code in (404, 405) else str(error)
        raise FileFailed(
            f"{url}: there are no AWS credentials here, and the control plane does not give it either: {why}"
        ) from error
    return Fetched(url, made["status"]["fetchURL"], int(made["spec"]["size"]))


class _Upload:
    """One file on its way."""

    def __init__(
        self, client: KubeClient, namespace: str, path: str, needed_by: str, *, say: Say, sleep: Callable[[float], None]
    ) -> None:
        self._client = client
        self._place = f"/sparkanywhere/v1/namespaces/{namespace}/files"
        self._path = path
        self._say = say
        self._sleep = sleep
        with Path(path).open("rb") as file:
            self._sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            self._size = file.tell()
        self._asked = {"sha256": self._sha256, "size": self._size, "neededBy": needed_by}

    def run(self) -> Fetched:
        """Send what is missing; return how the pod fetches the file."""
        left, best = ATTEMPTS, -1
        while True:
            status = self._ticket()
            if status["present"]:
                break
            upload = status["upload"]
            if int(upload["offset"]) > best:  # it goes on: every piece counts
                left, best = ATTEMPTS, int(upload["offset"])
            left -= 1
            self._say(f"uploading {self._path}, {self._size / 1e6:,.1f} MB")
            problem = self._put(upload["url"], upload["headers"]) if upload["url"] else self._pieces(upload["offset"])
            if not problem:
                break
            if left <= 0:
                raise FileFailed(f"{self._path} could not be uploaded: {problem}")
            self._sleep(RETRY_SECONDS)
        authority = str(status.get("certificateAuthority") or "")
        return Fetched(self._path, status["fetchURL"], self._size, self._sha256, authority, is_staged=True)

    def _ticket(self) -> dict[str, Any]:  # Any: the status of a file
        """Return how the file is to be uploaded, or that it is there. Raises FileFailed."""
        left = ATTEMPTS
        while True:
            try:
                status: dict[str, Any] = self._client.create(self._place, self._asked)["status"]
                return status
            except ApiError as error:
                left -= 1
                if error.code in (404, 405) and "namespaces" not in str(error):
                    raise FileFailed(
                        f"{self._path} has {self._size:,} bytes, more than travel with a job, and this control plane"
                        " keeps no files: put it into the image, or into a bucket (s3://)"
                    ) from error
                if error.code not in PASSING or left <= 0:
                    raise FileFailed(f"{self._path} was not taken: {error}") from error
            self._sleep(RETRY_SECONDS)

    def _pieces(self, offset: int) -> str:
        """Send the rest to the control plane; return "", or why it should be tried again. Raises FileFailed."""
        with Path(self._path).open("rb") as file:
            file.seek(offset)
            while offset < self._size:
                piece = file.read(PIECE_BYTES)
                if not piece:
                    raise FileFailed(f"{self._path} became shorter while it was uploaded")
                try:
                    answer = self._client.put(f"{self._place}/{self._sha256}", piece, offset=str(offset))
                except ApiError as error:
                    if error.code in PASSING:
                        return str(error)
                    raise FileFailed(f"{self._path} was not taken: {error}") from error
                except ApiUnreachable as error:
                    return str(error)
                if int(answer["status"]["offset"]) != offset + len(piece):
                    return "the control plane counts otherwise"
                offset += len(piece)
        return ""

    def _put(self, url: str, headers: dict[str, str]) -> str:
        """Send the file to the bucket; return "", or why it should be tried again. Raises FileFailed."""
        headers = {"Content-Type": BINARY, **headers}  # else urllib sends a form's
        with Path(self._path).open("rb") as file:
            try:
                with urlopen(Request(url, data=file, headers=headers, method="PUT"), timeout=PUT_SECONDS):
                    return ""
            except HTTPError as error:
                body = error.read().decode(errors="replace")
                code = found[1] if (found := _CODE.search(body)) else error.reason
                if error.code in PASSING:
                    return f"the bucket said {code}"
                raise FileFailed(f"{self._path} was not taken by the project's bucket: {code}") from error
            except (OSError, HTTPException) as error:
                return f"the bucket did not answer: {error}"
