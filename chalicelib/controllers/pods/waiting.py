"""Pods that wait for objects, so that a write wakes those alone."""

from __future__ import annotations

import threading
from collections.abc import Iterable

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
