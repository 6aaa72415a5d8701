"""Pods that wait: for which objects, so that a write wakes those alone, and until when after a failure."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime, timedelta

Wanted = tuple[str, str, str]  # resource, namespace, name


class WaitingPods:
    """An index in memory, rebuilt by resync. Safe to call from many threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._keys: dict[str, str] = {}  # uid -> storage key
        self._wants: dict[str, set[Wanted]] = {}  # uid -> what it waits for
        self._by_wanted: dict[Wanted, set[str]] = {}

    def add(self, uid: str, key: str, wants: Iterable[Wanted]) -> None:
        """Note what the pod waits for, in place of what it waited for before."""
        with self._guard:
            self._drop(uid)
            self._keys[uid] = key
            self._wants[uid] = set(wants)
            for wanted in self._wants[uid]:
                self._by_wanted.setdefault(wanted, set()).add(uid)

    def discard(self, uid: str) -> None:
        """Forget the pod: it runs, or is gone."""
        if uid not in self._keys:  # by far the usual case, and a stale answer does no harm
            return
        with self._guard:
            self._drop(uid)

    def wanting(self, wanted: Wanted) -> list[str]:
        """Return the keys of the pods that wait for this object."""
        if wanted not in self._by_wanted:
            return []
        with self._guard:
            return [self._keys[uid] for uid in self._by_wanted.get(wanted, ())]

    def storage_keys(self) -> list[str]:
        """Return the keys of all that wait."""
        with self._guard:
            return list(self._keys.values())

    def _drop(self, uid: str) -> None:
        self._keys.pop(uid, None)
        for wanted in self._wants.pop(uid, ()):
            uids = self._by_wanted[wanted]
            uids.discard(uid)
            if not uids:
                del self._by_wanted[wanted]


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
