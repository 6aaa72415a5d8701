"""StagedFiles: files that jobs bring along, from before their submission until after their end.

A record in the store comes before the content and goes after it, so that a crash at any line leaks nothing. A
record lives while a job that has not ended names its checksum (as text, in its pod or Job), and for a while after
it was last asked for: a job that is submitted again finds its files there.

A token opens one file, while the pod or Job that it was given for is there, names the file and has not ended.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from chalicelib.apimachinery.rules.status import (
    StatusError,
    bad_request,
    conflict,
    not_found,
    unauthorized,
    unavailable,
)
from chalicelib.apimachinery.rules.time import after, find_time, format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.runtime.objects import ENDED_POD
from chalicelib.controllers.runtime.public_url import PublicUrl
from chalicelib.controllers.runtime.tokens import TokenClaims, TokenInvalid, TokenIssuer
from chalicelib.files.base import ChecksumWrong, FileNotHere, FileStore, FileStoreUnavailable, OffsetWrong, Upload
from chalicelib.storage.base import KeyExists, KeyNotFound, RevisionConflict, Storage
from chalicelib.storage.keys import object_key, prefix
from chalicelib.storage.updates import guaranteed_update

RESOURCE = "sparkanywhere-files"  # of the records' keys: no route leads there
PATH = "/sparkanywhere/v1/namespaces/{namespace}/files/{sha256}"
FETCH_TOKEN_SECONDS = 7 * 24 * 3600  # a job may wait for capacity, and be tried again
SHA256 = re.compile(r"[0-9a-f]{64}")
NEEDED_BY = re.compile(r"(pods|jobs)/[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_JOB_ENDED = re.compile(r'"type":\s*"(?:Complete|Failed)"')
USERS = {"pods": ENDED_POD, "jobs": _JOB_ENDED}  # what may name a file, and how one that has ended looks


@dataclass(frozen=True, slots=True)
class FileLimits:
    """How large one file may be, and how long it is kept after its last use."""

    max_bytes: int
    keep_seconds: float


@dataclass(frozen=True, slots=True)
class Ticket:
    """Whether a content is there, how to send it if not, and from where a pod fetches it."""

    present: bool
    upload: Upload
    fetch_url: str


class StagedFiles:
    """Takes, gives and removes staged files. Safe to call from many threads."""

    def __init__(
        self,
        storage: Storage,
        files: FileStore,
        *,
        issuer: TokenIssuer,
        url: PublicUrl,
        limits: FileLimits,
        clock: Callable[[], datetime],
        new_uid: Callable[[], str],
    ) -> None:
        self._storage = storage
        self._files = files
        self._issuer = issuer
        self._url = url
        self._limits = limits
        self._clock = clock
        self._new_uid = new_uid

    def ticket(self, namespace: str, sha256: str, size: int, *, needed_by: str = "") -> Ticket:
        """Take note that a job is about to need this content; may be repeated.

        `needed_by` is what will name it, `pods/NAME` or `jobs/NAME`; without, it is whatever names it in the namespace.
        Raises 400 for an invalid checksum, size or name, 404 for an unknown namespace, 413 for a file that is too
        large, 503 while the content is being removed.
        """
        self._check(namespace, sha256, size)
        if needed_by and not NEEDED_BY.fullmatch(needed_by):
            raise bad_request("neededBy is of the form pods/NAME or jobs/NAME")
        self._touch(namespace, sha256, size)
        url = self._url.get()
        if not url:
            raise unavailable("no pod could fetch it: this control plane does not know its own URL yet")
        audience = _audience(namespace, sha256, needed_by)
        token = self._issuer.issue(
            TokenClaims(namespace, "default"), seconds=FETCH_TOKEN_SECONDS, audiences=[audience], purpose="staged-file"
        ).token
        fetch_url = f"{url}{PATH.format(namespace=namespace, sha256=sha256)}?neededBy={needed_by}&token={token}"
        with _as_status(sha256):
            if self._files.size(namespace, sha256) == size:
                return Ticket(True, Upload(have=size), fetch_url)
            return Ticket(False, self._files.upload(namespace, sha256, size=size), fetch_url)

    def append(self, namespace: str, sha256: str, piece: bytes, *, offset: int) -> int:
        """Keep the next piece of a content that a ticket was given for; return how many bytes are there.

        Raises 404 without a ticket, 409 for a piece that does not follow, 422 if the checksum is not met.
        """
        try:
            record = self._storage.get(_key(namespace, sha256)).object()
        except KeyNotFound:
            raise not_found("files", sha256) from None
        with _as_status(sha256):
            return self._files.append(namespace, sha256, piece, offset=offset, size=int(record["size"]))

    def fetch(self, namespace: str, sha256: str, token: str, *, needed_by: str = "") -> Iterator[bytes] | str:
        """Return a content in pieces, or the URL to get it from.

        Raises 401 for a bad token, also one of a pod or Job that has ended, 404.
        """
        try:
            self._issuer.verify(token, _audience(namespace, sha256, needed_by), purpose="staged-file")
        except TokenInvalid:
            raise unauthorized() from None
        if not self._is_needed(namespace, sha256, needed_by):
            raise unauthorized()
        with _as_status(sha256):
            return self._files.open(namespace, sha256)

    def sweep(self) -> None:
        """Remove what no job needs any more."""
        for item in self._storage.list(prefix(RESOURCE)).items:
            record = item.object()
            used_at = find_time(record.get("usedAt")) or self._clock()
            if not record.get("going") and self._clock() < after(used_at, self._limits.keep_seconds):
                continue
            namespace, sha256 = record["metadata"]["namespace"], record["metadata"]["name"]
            try:
                if not record.get("going") and self._is_needed(namespace, sha256, ""):
                    used = {**record, "usedAt": format_time(self._clock())}
                    self._storage.update(item.key, used, expected_revision=item.revision)
                    continue
                marked = {**record, "going": True}
                going = self._storage.update(item.key, marked, expected_revision=item.revision)
                self._files.remove(namespace, sha256)
                self._storage.delete(item.key, expected_revision=going.revision)
            except (KeyNotFound, RevisionConflict):
                continue  # in use again, or another sweep was faster

    def _check(self, namespace: str, sha256: str, size: int) -> None:
        if not SHA256.fullmatch(sha256) or size < 1:
            raise bad_request("a file is named by its SHA-256 (64 hexadecimal digits) and its size in bytes")
        if size > self._limits.max_bytes:
            message = (
                f"the file has {size:,} bytes, and this control plane keeps files of {self._limits.max_bytes:,}"
                " bytes at most: put it into the image or into a bucket (s3://), or raise"
                " SPARKANYWHERE_FILE_MAX_MB"
            )
            raise StatusError(413, "RequestEntityTooLarge", message)
        try:
            self._storage.get(object_key("namespaces", None, namespace))
        except KeyNotFound:
            raise not_found("namespaces", namespace) from None

    def _touch(self, namespace: str, sha256: str, size: int) -> None:
        """Create the record, or say that it is in use now."""
        key, now = _key(namespace, sha256), format_time(self._clock())

        def used(record: JSON) -> JSON:
            if record.get("going"):
                raise unavailable("a file of this content is just being removed")
            return {**record, "usedAt": now, "size": size}

        metadata = {"name": sha256, "namespace": namespace, "uid": self._new_uid()}
        try:
            self._storage.create(key, {"metadata": metadata, "size": size, "usedAt": now})
        except KeyExists:
            try:
                guaranteed_update(self._storage, key, used)
            except KeyNotFound:
                raise unavailable("a file of this content was just removed") from None

    def _is_needed(self, namespace: str, sha256: str, needed_by: str) -> bool:
        """Return whether a pod or Job that has not ended names the content: that one, or "" for any."""
        resource, _, name = needed_by.partition("/")
        if name:
            try:
                text = self._storage.get(object_key(resource, namespace, name)).json
            except KeyNotFound:
                return False
            return sha256 in text and not USERS[resource].search(text)
        return any(
            sha256 in item.json and not ended.search(item.json)
            for resource, ended in USERS.items()
            for item in self._storage.list(prefix(resource, namespace)).items
        )


class _as_status:
    """Turns what a FileStore raises into what a client is told."""

    def __init__(self, sha256: str) -> None:
        self._sha256 = sha256

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        match error:
            case FileNotHere():
                raise not_found("files", self._sha256) from error
            case OffsetWrong():
                raise conflict("files", self._sha256, str(error)) from error
            case ChecksumWrong():
                message = f"the file is not what its checksum {self._sha256} says: {error}"
                raise StatusError(422, "Invalid", message) from error
            case FileStoreUnavailable():
                raise StatusError(507, "InsufficientStorage", f"the file was not kept: {error}") from error


def _key(namespace: str, sha256: str) -> str:
    return object_key(RESOURCE, namespace, sha256)


def _audience(namespace: str, sha256: str, needed_by: str) -> str:
    return f"sparkanywhere-file/{namespace}/{sha256}/{needed_by}"
