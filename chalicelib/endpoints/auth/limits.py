"""Limits: how many requests, watches and lists one user may have, so that nobody starves the others.

Refusals are those of a real server's priority and fairness: 429 with Retry-After. Each limit is per process: on Lambda,
where a process serves one request at a time, API Gateway's throttling bounds requests, and open_streams.py the streams.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from chalicelib.apimachinery.rules.status import too_many_requests

TOO_MANY = "too many requests, please try again later"
USERS_KEPT = 10_000  # buckets in memory; the longest unused go first
LIST_SECONDS = 5.0  # that a list waits until one of the same user has been made
BURST_SECONDS = 2.0  # a user may use up so many seconds' worth of requests at once


@dataclass(frozen=True, slots=True)
class UserLimits:
    """Limits of one user. 0 means unlimited."""

    requests_per_second: int = 0
    watches: int = 0
    lists: int = 0  # that are being made at once


class Limits:
    """Counts requests, watches and lists of each user. Safe to call from many threads."""

    def __init__(self, limits: UserLimits, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and as of when
        self._watches: dict[str, int] = {}
        self._lists: Counter[str] = Counter()
        self._list_made = threading.Condition()

    def request(self, user: str) -> None:
        """Count one request of a user. Raises 429 beyond the limit."""
        rate = self._limits.requests_per_second
        if not rate:
            return
        now, burst = self._monotonic(), rate * BURST_SECONDS
        with self._lock:
            tokens, at = self._buckets.pop(user, (burst, now))
            tokens = min(burst, tokens + (now - at) * rate)
            is_allowed = tokens >= 1
            self._buckets[user] = (tokens - 1 if is_allowed else tokens, now)
            if len(self._buckets) > USERS_KEPT:
                self._buckets.popitem(last=False)
        if not is_allowed:
            raise too_many_requests(TOO_MANY)

    @contextmanager
    def listing(self, user: str) -> Iterator[None]:
        """Count a list while it is made; wait if there are as many already. Raises 429 if there still are then."""
        most = self._limits.lists
        if not most:
            yield
            return
        with self._list_made:
            if not self._list_made.wait_for(lambda: self._lists[user] < most, LIST_SECONDS):
                raise too_many_requests(TOO_MANY)
            self._lists[user] += 1
        try:
            yield
        finally:
            with self._list_made:
                self._lists[user] -= 1
                if not self._lists[user]:
                    del self._lists[user]
                self._list_made.notify_all()

    def watch(self, user: str, pieces: Iterator[bytes]) -> CountedWatch:
        """Return `pieces`, counted as a watch of the user until they end. Raises 429 beyond the limit."""
        with self._lock:
            count = self._watches.get(user, 0)
            if self._limits.watches and count >= self._limits.watches:
                raise too_many_requests(TOO_MANY)
            self._watches[user] = count + 1

        def release() -> None:
            with self._lock:
                self._watches[user] -= 1
                if not self._watches[user]:
                    del self._watches[user]

        return CountedWatch(pieces, release)


class CountedWatch:
    """An iterator that calls `over` once: at its end, or when it is closed, even before its first piece."""

    def __init__(self, pieces: Iterator[bytes], over: Callable[[], None]) -> None:
        self._pieces = pieces
        self._over: Callable[[], None] | None = over

    def __iter__(self) -> CountedWatch:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._pieces)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the watch. May be repeated."""
        end = getattr(self._pieces, "close", None)
        if end is not None:
            end()
        over, self._over = self._over, None
        if over is not None:
            over()
