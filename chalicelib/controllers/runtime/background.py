"""Background: a few threads for work that a request need not wait for; on Lambda it is waited for in the end.

Work may be lost when the process ends; all of it is such that resync does it again.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

LOG = logging.getLogger(__name__)

Work = Callable[[], None]


class Later(Protocol):
    """Do something soon, or in `delay_seconds`."""

    def __call__(self, work: Work, *, delay_seconds: float = 0.0) -> None:
        """Take the work; its errors are logged, not raised."""
        ...


class Workers(Later, Protocol):
    """A Later whose work can be waited for (Background)."""

    def settle(self, timeout_seconds: float) -> bool:
        """Wait until nothing is queued or under way; False if that takes longer than the timeout."""
        ...

    def close(self) -> None:
        """Finish what is under way and drop the rest. May be repeated."""
        ...


class Background:
    """Runs work in its own threads, started with the first piece. Safe to call from many threads."""

    def __init__(self, *, threads: int = 4) -> None:
        self._threads: list[threading.Thread] = []
        self._limit = threads
        self._changed = threading.Condition()
        self._queue: list[tuple[float, int, Work]] = []
        self._numbers = itertools.count()  # keeps equal times in order
        self._busy = 0
        self._closed = False

    def __call__(self, work: Work, *, delay_seconds: float = 0.0) -> None:
        """Queue the work; after close() it is dropped, and left to the next resync."""
        with self._changed:
            if self._closed:
                return
            heapq.heappush(self._queue, (time.monotonic() + delay_seconds, next(self._numbers), work))
            if len(self._threads) < self._limit:
                name = f"background-{len(self._threads) + 1}"
                thread = threading.Thread(target=self._serve, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify()

    def settle(self, timeout_seconds: float) -> bool:
        """Wait until nothing is queued or under way; False if that takes longer than the timeout."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while self._queue or self._busy:
                left = deadline - time.monotonic()
                if left <= 0:
                    LOG.info("work left to resync after %.1f s", timeout_seconds)
                    return False
                self._changed.wait(left)
        return True

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Finish what is under way, at most for the timeout, and drop the rest. May be repeated."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            self._changed.notify_all()
        deadline = time.monotonic() + timeout_seconds
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _serve(self) -> None:
        while (work := self._next()) is not None:
            guarded(work)
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def _next(self) -> Work | None:
        """Wait for work that is due and take it; None once closed."""
        with self._changed:
            while not self._closed:
                due = self._queue[0][0] - time.monotonic() if self._queue else None
                if due is not None and due <= 0:
                    self._busy += 1
                    return heapq.heappop(self._queue)[2]
                self._changed.wait(due)
        return None


def guarded(work: Work) -> None:
    """Do the work now; log its errors, which nobody above could answer. Resync repeats it."""
    try:
        work()
    except Exception:
        LOG.exception("background work failed; left to resync")
