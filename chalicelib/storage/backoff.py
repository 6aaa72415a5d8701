"""How often, and after which pauses, a lost race is tried again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

FIRST_PAUSE_SECONDS = 0.01  # about one transaction, so the winner is through
LONGEST_PAUSE_SECONDS = 0.25  # beyond that a loser waits longer than the race lasts


class Backoff:
    """Pauses that double, each shortened by chance so that those who collided do not meet again."""

    def __init__(
        self, *, pause: Callable[[float], None] = time.sleep, chance: Callable[[], float] = random.random
    ) -> None:
        self._pause = pause
        self._chance = chance

    def tries(self, count: int) -> Iterator[int]:
        """Yield 0, 1, ... `count` - 1, with a pause before each but the first."""
        for attempt in range(count):
            if attempt:
                longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
                self._pause(longest * self._chance())
            yield attempt
