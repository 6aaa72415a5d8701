"""Backoff: when to try again to start a pod that waits, or that its provider could not take."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

FIRST_SECONDS = 1.0  # most refusals are short: a throttled call, an address still in use
LONGEST_SECONDS = 60.0  # a lasting one (no capacity) must not cost more than a call a minute


class Backoff:
    """Doubles the pause with each failure. Kept in memory: after a restart everything is tried at once."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._pauses: dict[str, tuple[float, datetime]] = {}  # uid -> (seconds, next try)

    def postpone(self, uid: str, now: datetime) -> None:
        """Note a failure: the next try is twice as far away as the last was."""
        with self._guard:
            seconds, _ = self._pauses.get(uid, (FIRST_SECONDS / 2, now))
            seconds = min(seconds * 2, LONGEST_SECONDS)
            self._pauses[uid] = (seconds, now + timedelta(seconds=seconds))

    def forget(self, uid: str) -> None:
        """Note a success, or that there will be no further try."""
        with self._guard:
            self._pauses.pop(uid, None)

    def is_due(self, uid: str, now: datetime) -> bool:
        """Return whether a try may be made now; yes for what has never failed."""
        with self._guard:
            pause = self._pauses.get(uid)
        return pause is None or now >= pause[1]

    def due(self, now: datetime) -> list[str]:
        """Return the uids of those that failed and may be tried now."""
        if not self._pauses:  # by far the usual case
            return []
        with self._guard:
            return [uid for uid, (_, when) in self._pauses.items() if now >= when]
