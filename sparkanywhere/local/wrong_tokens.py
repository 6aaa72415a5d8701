"""How long the answer to a wrong token is held back, by how many its address has sent lately."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

FREE = 10  # a script with an expired token, or a person who mistypes one, notices nothing
FREE_PER_SECOND = 0.1  # so many are forgotten again
STEP_SECONDS = 0.1  # for each one more
MOST_SECONDS = 2.0  # clients wait longer than that for any answer
ADDRESSES_KEPT = 10_000  # in memory; the longest unused go first


class WrongTokens:
    """Counts wrong tokens of each address. Safe to call from many threads."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, tuple[float, float]] = OrderedDict()  # how many, and as of when

    def count(self, address: str) -> float:
        """Count one more; return for how many seconds its answer is to be held back."""
        now = self._monotonic()
        with self._lock:
            count, at = self._counts.pop(address, (0.0, now))
            count = max(0.0, count - (now - at) * FREE_PER_SECOND) + 1
            self._counts[address] = count, now
            if len(self._counts) > ADDRESSES_KEPT:
                self._counts.popitem(last=False)
        return min(MOST_SECONDS, max(0.0, count - FREE) * STEP_SECONDS)
