"""Backoff: how long to wait after a failure until the next try."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Pauses:
    """How long to wait after a first failure; doubled with each further one up to the longest."""

    first_seconds: float
    longest_seconds: float


PASSING = Pauses(1.0, 60.0)  # most refusals are short: a throttled call, an address still in use
RATE = Pauses(1.0, 8.0)  # a rate that is exceeded has room again within seconds
LASTING = Pauses(10.0, 300.0)  # as a kubelet with a container that cannot be started


Pause = tuple[float, datetime, Pauses]  # its length, the next try, and by which pauses


class Backoff:
    """Doubles the pause with each failure. Kept in memory: after a restart everything is tried at once."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._pauses: dict[str, Pause] = {}  # by uid

    def postpone(self, uid: str, now: datetime, pauses: Pauses = PASSING) -> datetime:
        """Note a failure; return when to try again, in twice the last pause."""
        with self._guard:
            seconds = self._pauses[uid][0] if uid in self._pauses else 0.0
            seconds = min(max(seconds * 2, pauses.first_seconds), pauses.longest_seconds)
            due = now + timedelta(seconds=seconds)
            self._pauses[uid] = (seconds, due, pauses)
            return due

    def forget(self, uid: str) -> None:
        """Note a success, or that there will be no further try."""
        with self._guard:
            self._pauses.pop(uid, None)

    def is_due(self, uid: str, now: datetime) -> bool:
        """Return whether a try may be made now; yes for what has never failed."""
        with self._guard:
            pause = self._pauses.get(uid)
        return pause is None or _is_over(pause, now)

    def seconds_left(self, uid: str, now: datetime, pauses: Pauses) -> float:
        """Return how long to wait until the next try; 0.0 if it is due, or was not postponed by these pauses."""
        with self._guard:
            seconds, when, by = self._pauses.get(uid, (0.0, now, pauses))
        return min(seconds, max(0.0, (when - now).total_seconds())) if by is pauses else 0.0

    def due(self, now: datetime) -> list[str]:
        """Return the uids of those that failed and may be tried now."""
        if not self._pauses:  # by far the usual case
            return []
        with self._guard:
            return [uid for uid, pause in self._pauses.items() if _is_over(pause, now)]


def _is_over(pause: Pause, now: datetime) -> bool:
    """Return whether a pause is over, or longer than it was made: then the clock was put back."""
    seconds, due, _ = pause
    return not now < due <= now + timedelta(seconds=seconds)
