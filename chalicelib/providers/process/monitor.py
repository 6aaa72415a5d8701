"""Notices what supervisors write, at once, and what becomes of those that can't write any more.

A supervisor writes its task's handle into a FIFO of ours, so nothing is polled; now and then a look at
every task finds supervisors that were killed, and news that got lost.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

LOG = logging.getLogger(__name__)

LOOK_SECONDS = 2.0  # a killed supervisor is noticed within this time; a look costs some 20 us a task
READ_BYTES = 64 * 1024


class Monitor:
    """Calls `check(handle)` in a thread of its own whenever there may be news of that task."""

    def __init__(
        self, listeners: Path, *, handles: Callable[[], Iterable[str]], check: Callable[[str], None]
    ) -> None:
        self._listeners = listeners
        self._handles = handles
        self._check = check
        self._fifo = listeners / f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._descriptor = -1
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._unread = b""

    def start(self) -> None:
        """Open the FIFO, report every task once, then go on in the background."""
        self._listeners.mkdir(mode=0o700, parents=True, exist_ok=True)
        for fifo in self._listeners.iterdir():
            try:
                os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:  # of a control plane that was killed: nobody reads it
                fifo.unlink(missing_ok=True)
        os.mkfifo(self._fifo, 0o600)
        self._descriptor = os.open(self._fifo, os.O_RDWR | os.O_NONBLOCK)
        self._thread = threading.Thread(target=self._run, name="process-monitor", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and remove the FIFO. May be repeated, but not from within `check`."""
        self._closing.set()
        if self._thread is None:
            return
        with contextlib.suppress(BlockingIOError):
            os.write(self._descriptor, b"\n")
        self._thread.join()
        self._thread = None
        with contextlib.suppress(FileNotFoundError):
            self._fifo.unlink()
        os.close(self._descriptor)

    def _run(self) -> None:
        waiting = set(self._handles())
        while not self._closing.is_set():
            for handle in list(waiting):
                try:
                    self._check(handle)
                    waiting.discard(handle)
                except (
                    Exception
                ):  # the thread's outermost frame: whatever it was, the task is looked at again
                    LOG.exception("task=%s what=check", handle)
            readable, _, _ = select.select([self._descriptor], [], [], LOOK_SECONDS)
            if not readable:
                waiting |= set(self._handles())
                continue
            with contextlib.suppress(BlockingIOError):
                self._unread += os.read(self._descriptor, READ_BYTES)
            *lines, self._unread = self._unread.split(b"\n")
            waiting |= {line.decode() for line in lines if line}
