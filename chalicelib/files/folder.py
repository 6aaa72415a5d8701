"""Files in a folder of this machine: a complete content under its checksum, a partial one beside it."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from chalicelib.files.base import ChecksumWrong, FileNotHere, FileStoreUnavailable, OffsetWrong, Upload, content_path
from chalicelib.private_folder import make_private

BLOCK_BYTES = 256 * 1024  # read and written at once
PARTIAL = ".part"  # suffix of an incomplete content


class FolderFiles:
    """A FileStore under one folder. One process writes to it; safe to call from many threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._writing = threading.Lock()

    def _path(self, namespace: str, sha256: str) -> Path:
        return self._root / content_path(namespace, sha256)

    def size(self, namespace: str, sha256: str) -> int | None:
        """Return the bytes of a whole content, else None."""
        return _size(self._path(namespace, sha256))

    def upload(self, namespace: str, sha256: str, *, size: int) -> Upload:
        """Return that it is sent in pieces, and how many bytes are there."""
        del size
        return Upload(have=_size(_partial(self._path(namespace, sha256))) or 0)

    def append(self, namespace: str, sha256: str, piece: bytes, *, offset: int, size: int) -> int:
        """Keep a piece; the last one is checked against the checksum, and the content is whole."""
        path = self._path(namespace, sha256)
        with self._writing:
            if (whole := _size(path)) is not None:
                return whole
            have = _size(_partial(path)) or 0
            if offset != have:
                raise OffsetWrong(have)
            if have + len(piece) > size:
                _partial(path).unlink(missing_ok=True)
                raise ChecksumWrong(f"more came than the {size} bytes that were said")
            self._write(path, piece, is_last=have + len(piece) == size)
        return have + len(piece)

    def _write(self, path: Path, piece: bytes, *, is_last: bool) -> None:
        partial = _partial(path)
        try:
            make_private(partial.parent)
            with partial.open("ab") as file:
                file.write(piece)
                if is_last:
                    file.flush()
                    os.fsync(file.fileno())
            if is_last:
                with partial.open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
                if found != path.name:
                    partial.unlink()
                    raise ChecksumWrong(f"what came has the SHA-256 {found}")
                partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise FileStoreUnavailable(f"it could not be written: {error.strerror}") from error

    def open(self, namespace: str, sha256: str) -> Iterator[bytes] | str:
        """Return the pieces of a whole content."""
        try:
            file = self._path(namespace, sha256).open("rb")
        except FileNotFoundError:
            raise FileNotHere("no such file is kept") from None

        def pieces() -> Iterator[bytes]:
            with file:
                while piece := file.read(BLOCK_BYTES):
                    yield piece

        return pieces()

    def remove(self, namespace: str, sha256: str) -> None:
        """Remove a content, whole or partial, and the namespace's folder with its last content."""
        path = self._path(namespace, sha256)
        with self._writing:
            path.unlink(missing_ok=True)
            _partial(path).unlink(missing_ok=True)
            with suppress(OSError):  # others are in it
                path.parent.rmdir()


def _partial(path: Path) -> Path:
    return path.with_name(path.name + PARTIAL)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
