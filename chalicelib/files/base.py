"""The FileStore contract: contents under their SHA-256, apart for each namespace.

A content is there wholly or not at all, and never changes. Nothing here knows of jobs or of time: the controller
of staged files says what may go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

_CONTENT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?/[0-9a-f]{64}")


class FileStoreError(Exception):
    """Base of all that a FileStore raises; str() is one sentence."""


class FileNotHere(FileStoreError):
    """No such content is kept."""


class ChecksumWrong(FileStoreError):
    """What was sent is not what its checksum says; nothing of it is kept."""


class OffsetWrong(FileStoreError):
    """A piece does not follow what is there; `have` is how many bytes are."""

    def __init__(self, have: int) -> None:
        super().__init__(f"the next piece begins at byte {have}")
        self.have = have


class FileStoreUnavailable(FileStoreError):
    """The store did not take or give it: a full disk, no permission, no answer."""


def content_path(namespace: str, sha256: str) -> str:
    """Return NAMESPACE/SHA256, the one place of a content below a store's root.

    Raises FileNotHere for a namespace that is no DNS label or a checksum that is not 64 hexadecimal digits, so that
    no name that a client sends can lead anywhere else.
    """
    path = f"{namespace}/{sha256}"
    if not _CONTENT.fullmatch(path):
        raise FileNotHere("no content can have this name")
    return path


@dataclass(frozen=True, slots=True)
class Upload:
    """How a client sends a content: to `url` by one PUT with these headers, or in pieces to us where url is ""."""

    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    have: int = 0  # bytes of it that came before; pieces go on from there


class FileStore(Protocol):
    """What a backend does. Safe to call from many threads."""

    def size(self, namespace: str, sha256: str) -> int | None:
        """Return the bytes of a content that is wholly there, else None. Raises FileStoreUnavailable."""
        ...

    def upload(self, namespace: str, sha256: str, *, size: int) -> Upload:
        """Return how to send a content that is not there."""
        ...

    def append(self, namespace: str, sha256: str, piece: bytes, *, offset: int, size: int) -> int:
        """Keep the piece at `offset` of a content of `size` bytes; return how many bytes are there now.

        The last piece makes the content whole. Raises OffsetWrong, ChecksumWrong, FileStoreUnavailable.
        """
        ...

    def open(self, namespace: str, sha256: str) -> Iterator[bytes] | str:
        """Return a content in pieces, or the URL to fetch it from. Raises FileNotHere."""
        ...

    def remove(self, namespace: str, sha256: str) -> None:
        """Remove a content, whole or partial; does nothing if it is not there. Raises FileStoreUnavailable."""
        ...
