"""The newest events in memory, the threads that wait for the next one, and the one that polls for them.

A process that writes fills the tail itself; what other processes wrote is added by polling. The tail never has a hole:
an event that does not follow the last one starts a new tail.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

from chalicelib.storage.base import StorageUnavailable, WatchEvent
from chalicelib.storage.keys import split_key

TAIL_EVENTS = 1_000  # a slow watcher's lag in a burst; older ones are read from the store
TAIL_BYTES = 8 * 1024 * 1024  # keeps a burst of megabyte ConfigMaps from filling memory
LOG = logging.getLogger(__name__)


class Tail:
    """Events (first, last] in order, shared by all threads; waiters sleep until one concerns them."""

    def __init__(self, revision: int) -> None:
        self._lock = threading.Lock()
        self._events: deque[WatchEvent] = deque()
        self._bytes = 0
        self._first = revision  # events after this revision are here
        self._last = revision
        self._known_from = revision  # every event after this revision has come through here
        self._newest: dict[str, int] = {}  # the last event of each resource since then
        self._waiters: dict[str, set[threading.Lock]] = {}  # by prefix; each is released to wake its thread
        self._closed = False

    @property
    def last(self) -> int:
        """Return the newest revision known here."""
        return self._last

    @property
    def has_waiters(self) -> bool:
        """Return whether any thread waits."""
        return bool(self._waiters)

    def extend(self, events: Sequence[WatchEvent], *, after: int) -> None:
        """Add events that follow revision `after`, and wake the waiters that they concern.

        Repeated events are dropped. If `after` is news itself, another process wrote in between: the
        tail starts anew from there, and all waiters are woken to read the store.
        """
        with self._lock:
            if after > self._last:
                self._events.clear()
                self._bytes = 0
                self._first = self._last = self._known_from = after
                self._newest.clear()
                self._wake(None)
            fresh = [event for event in events if event.revision > self._last]
            if not fresh:
                return
            self._events.extend(fresh)
            self._newest |= {split_key(event.key)[0]: event.revision for event in fresh}
            self._bytes += sum(map(_size, fresh))
            self._last = fresh[-1].revision
            while len(self._events) > TAIL_EVENTS or self._bytes > TAIL_BYTES:
                self._drop_first()
            self._wake(fresh)

    def forget(self, revision: int) -> None:
        """Drop the events up to `revision`: they have expired."""
        with self._lock:
            while self._events and self._events[0].revision <= revision:
                self._drop_first()

    def is_unchanged(self, resource: str, since: int, *, until: int) -> bool:
        """Return whether it is known that nothing of a resource was written after `since`, up to `until` at least."""
        with self._lock:
            return self._known_from <= since and self._newest.get(resource, 0) <= since and until <= self._last

    def find(self, prefix: str, revision: int, *, limit: int) -> tuple[list[WatchEvent], int] | None:
        """Return the events under `prefix` after `revision`, and up to where they are complete.

        None if the tail does not reach back that far.
        """
        with self._lock:
            after = self._after(revision)
            last = self._last
        if after is None:
            return None
        found = [event for event in after if event.key.startswith(prefix)]
        if len(found) > limit:
            return found[:limit], found[limit - 1].revision
        return found, last

    def wait(self, revision: int, seconds: float, prefix: str | None) -> int:
        """Sleep until there may be an event under `prefix` after `revision`; return the last revision."""
        deadline, prefix = time.monotonic() + seconds, prefix or ""
        turn = threading.Lock()  # its own: a hundred that wake up at once would queue for a common one
        turn.acquire()
        while True:
            with self._lock:
                if self._closed or self._concerns(prefix, revision):
                    return self._last
                self._waiters.setdefault(prefix, set()).add(turn)
            if not turn.acquire(timeout=max(0.0, deadline - time.monotonic())):
                self._leave(prefix, turn)
                return self._last

    def close(self) -> None:
        """Wake all waiters, for good."""
        with self._lock:
            self._closed = True
            self._wake(None)

    def _concerns(self, prefix: str, revision: int) -> bool:
        if revision >= self._last:
            return False
        after = self._after(revision)
        return not prefix or after is None or any(event.key.startswith(prefix) for event in after)

    def _after(self, revision: int) -> list[WatchEvent] | None:
        """Return the events after `revision`; without holes, their places follow from their numbers."""
        if revision < self._first:
            return None
        count = max(0, self._last - revision)
        newest = list(islice(reversed(self._events), count))
        newest.reverse()
        return newest

    def _drop_first(self) -> None:
        dropped = self._events.popleft()
        self._bytes -= _size(dropped)
        self._first = dropped.revision

    def _leave(self, prefix: str, turn: threading.Lock) -> None:
        with self._lock:
            others = self._waiters.get(prefix, set())
            others.discard(turn)
            if not others:
                self._waiters.pop(prefix, None)

    def _wake(self, fresh: list[WatchEvent] | None) -> None:
        for prefix in list(self._waiters):
            if fresh is None or any(event.key.startswith(prefix) for event in fresh):
                for turn in self._waiters.pop(prefix):
                    turn.release()


def _size(event: WatchEvent) -> int:
    return len(event.json) + len(event.previous_json or "")


class Poller:
    """Keeps a tail up to date for its waiters, however many, with one look each `pause_seconds`.

    `catch_up` brings what others wrote into the tail; it may raise StorageUnavailable.
    """

    def __init__(self, tail: Tail, catch_up: Callable[[], None], *, pause_seconds: float) -> None:
        self._tail = tail
        self._catch_up = catch_up
        self._pause_seconds = pause_seconds
        self._look_at = 0.0  # monotonic seconds: whoever waits before that leaves it to the thread
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def wait(self, revision: int, seconds: float, prefix: str | None) -> int:
        """Sleep until there may be news, as Storage.wait says; on a closed store return at once."""
        now = time.monotonic()
        if self._tail.has_waiters or now < self._look_at:  # somebody has caught up, and the thread goes on with it
            return self._tail.wait(revision, seconds, prefix)
        with self._lock:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._run, name="storage-poller", daemon=True)
                self._thread.start()
        self._look_at = now + self._pause_seconds
        try:
            self._catch_up()
        except StorageUnavailable:
            if not self._closing.is_set():
                raise
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
