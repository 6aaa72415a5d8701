"""Counts something that there is only so much of: all that is taken, and what each client has of it."""

from __future__ import annotations

import threading
from collections import Counter


class Shares:
    """At most `total` in all, and `each` for one client. Safe to call from many threads."""

    def __init__(self, total: int, *, each: int) -> None:
        self._left = total
        self._each = each
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, client: str, count: int = 1) -> bool:
        """Take `count` more for a client; return whether there was so much, else nothing is taken."""
        with self._lock:
            if count > self._left or self._taken[client] + count > self._each:
                return False
            self._left -= count
            self._taken[client] += count
            return True

    def give(self, client: str, count: int = 1) -> None:
        """Give back what was taken."""
        with self._lock:
            self._left += count
            self._taken[client] -= count
            if not self._taken[client]:
                del self._taken[client]
