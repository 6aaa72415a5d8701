"""One thread that polls for other processes' writes while somebody waits for them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from chalicelib.storage.base import StorageUnavailable
from chalicelib.storage.tail import Tail

LOG = logging.getLogger(__name__)


class Poller:
    """Keeps a tail up to date for its waiters, however many, with one look each `pause_seconds`.

    `catch_up` brings what others wrote into the tail; it may raise StorageUnavailable.
    """

    def __init__(self, tail: Tail, catch_up: Callable[[], None], *, pause_seconds: float) -> None:
        self._tail = tail
        self._catch_up = catch_up
        self._pause_seconds = pause_seconds
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def wait(self, revision: int, seconds: float, prefix: str | None) -> int:
        """Sleep until there may be news, as Storage.wait says; on a closed store return at once."""
        if self._tail.has_waiters:  # somebody has caught up, and the thread goes on with it
            return self._tail.wait(revision, seconds, prefix)
        try:
            self._catch_up()
        except StorageUnavailable:
            if not self._closing.is_set():
                raise
        with self._lock:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._run, name="storage-poller", daemon=True)
                self._thread.start()
        return self._tail.wait(revision, seconds, prefix)

    def close(self) -> None:
        """Wake all waiters and end the thread. May be repeated."""
        self._closing.set()
        self._tail.close()
        with self._lock:
            thread = self._thread
        if thread:
            thread.join()

    def _run(self) -> None:
        while not self._closing.wait(self._pause_seconds):
            if not self._tail.has_waiters:
                continue
            try:
                self._catch_up()
            except StorageUnavailable as error:
                # The waiters' own next read fails the same way and can tell their clients.
                LOG.warning("storage_poll_failed=%r", str(error))
