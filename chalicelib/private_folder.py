"""Folders and files that nobody but their owner may look into. Used by whatever keeps state on a disk."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

OWNER_ONLY = 0o700


def make_private(folder: Path) -> None:
    """Make a folder and those above it that are missing, all with mode 0700. May be repeated. Raises OSError.

    What exists keeps its mode. Path.mkdir(parents=True) would give its mode to the last folder alone, and leave the
    others open to the machine.
    """
    if not folder.parent.exists():
        make_private(folder.parent)
    folder.mkdir(mode=OWNER_ONLY, exist_ok=True)


def close_folder(folder: Path) -> None:
    """Make a folder private also where it exists, if it is ours to say so. May be repeated. Raises OSError."""
    make_private(folder)
    with contextlib.suppress(PermissionError):  # of another user, who lets us write there
        folder.chmod(OWNER_ONLY)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes and threads that ask for it out of a folder meanwhile; make it if it is missing.

    The kernel releases the lock when its holder dies. Not to be nested for one folder. Raises OSError.
    """
    make_private(folder)
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read (0600), whole or not at all. Raises OSError that names it."""
    make_private(path.parent)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException as error:
        os.unlink(temporary)
        if isinstance(error, OSError) and error.errno is not None:  # writing into a descriptor has no name for it
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
