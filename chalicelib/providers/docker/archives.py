"""Tar archives by which files and directories get into containers before they start. Pure."""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass

from chalicelib.providers.base import TaskRejected, Volume

WRITABLE_BY_ALL = 0o777  # an empty directory that any user of the image may fill, as Kubernetes gives it
READABLE_BY_ALL = 0o755


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, or a directory if `content` is None, at an absolute path in a container."""

    path: str
    content: bytes | None
    mode: int


def archive(entries: Iterable[Entry]) -> bytes:
    """Return a tar of the entries, all owned by root, to be unpacked at `/`, or where that stands for."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for entry in entries:
            member = tarfile.TarInfo(entry.path.lstrip("/") or ".")
            member.mode = entry.mode
            if entry.content is None:
                member.type = tarfile.DIRTYPE
                tar.addfile(member)
            else:
                member.size = len(entry.content)
                tar.addfile(member, io.BytesIO(entry.content))
    return buffer.getvalue()


def directory(path: str, mode: int = WRITABLE_BY_ALL) -> Entry:
    """Return the entry that makes `path` a directory of that mode."""
    return Entry(path=path, content=None, mode=mode)


def files(volume: Volume, at: str) -> list[Entry]:
    """Return the directory `at` and the volume's files in it. Raises TaskRejected for a path outside."""
    entries = [directory(at, READABLE_BY_ALL)]
    for file in volume.files:
        entries.append(Entry(path=inside(at, file.path), content=file.content, mode=file.mode))
    return entries


def inside(folder: str, path: str) -> str:
    """Return `path` below `folder`; raises TaskRejected if it would lie elsewhere."""
    joined = posixpath.normpath(posixpath.join(folder, path.lstrip("/")))
    if joined != folder.rstrip("/") and not joined.startswith(folder.rstrip("/") + "/"):
        raise TaskRejected("InvalidPath", f"{path!r} leads out of its volume")
    return joined
