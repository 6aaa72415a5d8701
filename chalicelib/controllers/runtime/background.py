"""Work beside requests: Background does it soon, ResyncLoop does chores every so often. On Lambda both are waited for.

Work may be lost when the process ends; all of it is such that resync does it again.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.providers.base import ProviderUnavailable
from chalicelib.storage.base import StorageUnavailable

LOG = logging.getLogger(__name__)

TICK_SECONDS = 1.0  # what is due may come so much later
Work = Callable[[], None]


class Later(Protocol):
    """Do something soon, or in `delay_seconds`."""

    def __call__(self, work: Work, *, delay_seconds: float = 0.0) -> None:
        """Take the work; its errors are logged, not raised."""
        ...


class Workers(Later, Protocol):
    """A Later whose work can be waited for (Background)."""

    @property
    def is_busy(self) -> bool:
        """Return whether anything is queued or under way."""
        ...

    def settle(self, timeout_seconds: float) -> bool:
        """Wait until nothing is queued or under way; False if that takes longer than the timeout."""
        ...

    def close(self) -> None:
        """Finish what is under way and drop the rest. May be repeated."""
        ...


class Background:
    """Runs work in its own threads, started with the first piece. Safe to call from many threads.

    close() waits `patience_seconds` for what is under way.
    """

    def __init__(self, *, threads: int = 4, patience_seconds: float = 5.0) -> None:
        self._threads: list[threading.Thread] = []
        self._limit = threads
        self._patience_seconds = patience_seconds
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

    @property
    def is_busy(self) -> bool:
        """Return whether anything is queued or under way."""
        return bool(self._queue or self._busy)

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

    def close(self) -> None:
        """Finish what is under way, as far as there is patience for it, and drop the rest. May be repeated."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            self._changed.notify_all()
        deadline = time.monotonic() + self._patience_seconds
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


def guarded(work: Callable[[], object], *, failed: str = "background work failed") -> bool:
    """Do the work now; return whether it went well. Its errors, which nobody above could answer, are logged.

    Resync repeats it. A store or a provider that takes nothing at the moment is told of in one line, for there will be
    many.
    """
    try:
        work()
    except Exception as error:
        is_outage = isinstance(error, StorageUnavailable | ProviderUnavailable)
        is_outage = is_outage or (isinstance(error, StatusError) and error.code == 503)
        if is_outage:
            LOG.warning("%s; left to resync: %s", failed, error)
        else:
            LOG.exception("%s; left to resync", failed)
        return False
    return True


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to do at the start and every so often; what is `urgent` comes first.

    `do` may return an iterator: then it is done in steps, and may be broken off between two. Called again, it goes on
    by what it remembers itself.
    """

    name: str
    every_seconds: float
    do: Callable[[], object]
    urgent: bool = False


def this_minute(clock: Callable[[], datetime], count: int) -> int:
    """Return a number below `count`, another one each minute."""
    return int(clock().timestamp() // 60) % count


class ResyncLoop:
    """Does each chore in its turn until close(). A chore that fails is logged and comes again."""

    def __init__(
        self,
        chores: Sequence[Chore],
        *,
        tick_seconds: float = TICK_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
        first_of: Callable[[int], int] = lambda _: 0,
    ) -> None:
        self._chores = chores
        self._tick_seconds = tick_seconds
        self._monotonic = monotonic
        self._first_of = first_of
        self._due_at: dict[str, float] = {}
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin. May be called once."""
        self._thread = threading.Thread(target=self._serve, name="resync", daemon=True)
        self._thread.start()

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Ask the thread to end and wait for it, at most for the timeout. May be repeated."""
        self._closed.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_seconds)

    def run_all(self) -> None:
        """Do every chore once, whatever its period; one that fails is logged and keeps no other from its turn."""
        for chore in self._chores:
            self._do(chore, until=math.inf)

    def run_due(self, *, seconds: float = math.inf, early_seconds: float = 0.0) -> list[str]:
        """Do the chores that are due, or will be so soon, for so many seconds; return the names of those that failed.

        The urgent ones are all begun, and have half of the time together. Of the others none is begun after the end:
        it comes first the next time. Where no earlier run is remembered all are due, and another one is first each
        minute: so each has its turn, even if every run is the first and has no time for all.
        """
        began = self._monotonic()
        due = [each for each in self._chores if self._due_at.get(each.name, began) <= began + early_seconds]
        others = [each for each in due if not each.urgent]
        if not self._due_at and others:
            first = self._first_of(len(others))
            others = [*others[first:], *others[:first]]
        others.sort(key=lambda each: self._due_at.get(each.name, began))
        failed, left = list[str](), list[str]()
        for chore in [*(each for each in due if each.urgent), *others]:
            until = began + (seconds / 2 if chore.urgent else seconds)
            if self._closed.is_set() or (not chore.urgent and self._monotonic() >= until):
                left.append(chore.name)
                self._due_at.setdefault(chore.name, began)
                continue
            is_whole, is_well = self._do(chore, until=until)
            self._due_at[chore.name] = began + chore.every_seconds if is_whole else self._monotonic()
            failed += [] if is_well else [chore.name]
            left += [] if is_whole else [chore.name]
        if left and not self._closed.is_set():
            LOG.info("chores left for the next run: %s", ", ".join(left))
        return failed

    def _do(self, chore: Chore, *, until: float) -> tuple[bool, bool]:
        """Do a chore, at most until then; return whether it was done to its end, and whether it did not fail."""
        is_whole = True

        def work() -> None:
            nonlocal is_whole
            steps = chore.do()
            for _ in steps if isinstance(steps, Iterator) else ():
                if self._closed.is_set() or self._monotonic() >= until:
                    is_whole = False
                    return

        is_well = guarded(work, failed=f"chore failed name={chore.name}")
        return is_whole, is_well

    def _serve(self) -> None:
        while not self._closed.is_set():
            self.run_due()
            self._closed.wait(self._tick_seconds)
