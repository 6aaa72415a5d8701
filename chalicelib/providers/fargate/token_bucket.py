"""TokenBucket: so many calls a second, as ECS allows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class TokenBucket:
    """So many calls a second, with a burst. Safe to call from many threads."""

    def __init__(self, rate: float, burst: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._tokens = rate, burst, burst
        self._monotonic = monotonic
        self._at = monotonic()
        self._lock = threading.Lock()

    def take(self) -> float:
        """Take a token; return how many seconds to wait before using it."""
        with self._lock:
            now = self._monotonic()
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
            self._at = now
            self._tokens -= 1
            return max(0.0, -self._tokens / self._rate)

    def give_back(self) -> None:
        """Return a token that was not used."""
        with self._lock:
            self._tokens += 1
