"""Elects the server that does the background work, of several on one state folder: the holder of a file lock.

The kernel releases the lock when its holder dies, however it dies; the next server then takes over.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from chalicelib.private_folder import make_private

LOG = logging.getLogger(__name__)
RETRY_SECONDS = 0.5  # how late, at most, another server notices that the first is gone


class InstanceLock:
    """A lock on `path` between processes, which holds the id of the process that has it, and its provider's name."""

    def __init__(self, path: Path, *, provider: str = "") -> None:
        self._path = path
        self._provider = provider
        self._descriptor: int | None = None
        self._stop = threading.Event()
        self._waiter: threading.Thread | None = None

    def take(self) -> bool:
        """Take the lock if it is free; return whether it is ours."""
        if self._descriptor is not None:
            return True
        make_private(self._path.parent)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {self._provider}".encode(), 0)
        self._descriptor = descriptor
        return True

    def holder(self) -> int | None:
        """Return the id of the process that holds the lock, as it wrote it, or None."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int(self._path.read_text().split()[0])
        return None

    def provider(self) -> str:
        """Return the provider of the process that holds the lock, "" if it has written none."""
        with contextlib.suppress(OSError):
            return self._path.read_text().partition(" ")[2]
        return ""

    def take_later(self, taken: Callable[[], None]) -> None:
        """Call `taken` from a thread of ours once the lock is free and ours, unless released before."""
        self._waiter = threading.Thread(target=self._wait, args=(taken,), name="instance-lock", daemon=True)
        self._waiter.start()

    def _wait(self, taken: Callable[[], None]) -> None:
        while not self._stop.wait(RETRY_SECONDS):
            try:
                if self.take():
                    taken()
                    return
            except OSError as error:  # out of file descriptors, say: whoever waits must not give up
                LOG.warning("lock not taken error=%s", error)

    def release(self) -> None:
        """Let go of the lock, or stop to wait for it. May be repeated."""
        self._stop.set()
        if self._waiter is not None:
            self._waiter.join(timeout=2 * RETRY_SECONDS)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
