"""Lease: which of several processes does something now. It expires, so a holder that has died keeps nobody waiting.

Nor does one whose clock was wrong: two that hold a lease for a moment do the same work twice, which must do no harm.

As coordination.k8s.io's Lease, but no object of the API: clients neither see nor change it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.apimachinery.rules.time import find_time, format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import KeyExists, KeyNotFound, Storage
from chalicelib.storage.keys import object_key
from chalicelib.storage.updates import guaranteed_update

LEASES = "sparkanywhere-leases"  # the resource of their records
CLOCKS_DIFFER = 2  # times a lease's length: what it may still have to last by another clock
RENEW_PART = 3  # a lease is written anew once a third of its time is over


@dataclass(frozen=True, slots=True)
class Held:
    """Who has a lease, and from which revision on the holder follows the store."""

    holder: str
    since: int


class Lease:
    """One lease, by its name. A `holder` is one process; `seconds` is what the lease lasts without being renewed.

    Every method asks the store: raises StorageUnavailable, may be repeated.
    """

    def __init__(
        self, storage: Storage, name: str, *, holder: str, seconds: float, clock: Callable[[], datetime]
    ) -> None:
        self._storage = storage
        self._key = object_key(LEASES, None, name)
        self._record: JSON = {"metadata": {"name": name, "uid": f"{LEASES}/{name}"}}
        self._holder = holder
        self._seconds = seconds
        self._clock = clock
        self._renew_at: datetime | None = None

    def find(self) -> Held | None:
        """Return the lease as somebody holds it now, None if nobody does. One read."""
        try:
            return self._held(self._storage.get(self._key).object())
        except KeyNotFound:
            return None

    def take(self, since: int) -> Held | None:
        """Take the lease, or return the one that another process holds."""
        now = self._clock()

        def taken(record: JSON) -> JSON | None:
            held = self._held(record)
            if held and held.holder != self._holder:
                return None
            until = format_time(now + timedelta(seconds=self._seconds))
            return {**record, "holder": self._holder, "since": since, "until": until}

        held = self._held(self._update(taken))
        if held and held.holder != self._holder:
            return held
        self._renew_at = now + timedelta(seconds=self._seconds / RENEW_PART)
        return None

    def renew(self) -> bool:
        """Have the lease last if it is held by us, with a write once it is time for it; return whether it is."""
        if self._renew_at is None:
            return False
        if self._renew_at - timedelta(seconds=self._seconds / RENEW_PART) <= self._clock() < self._renew_at:
            return True
        held = self.find()
        if held is None or held.holder != self._holder or self.take(held.since) is not None:
            self._renew_at = None
        return self._renew_at is not None

    def release(self) -> None:
        """Give the lease back, if it is held by us."""
        if self._renew_at is not None:
            self._update(lambda record: {**record, "holder": ""} if record.get("holder") == self._holder else None)
            self._renew_at = None

    def _held(self, record: JSON) -> Held | None:
        until, now = find_time(record.get("until")), self._clock()
        # One that lasts longer than any is given has been taken by a clock that was put back since, or goes wrong.
        latest = now + CLOCKS_DIFFER * timedelta(seconds=self._seconds)
        is_held = record.get("holder") and until is not None and now < until <= latest
        return Held(record["holder"], record["since"]) if is_held else None

    def _update(self, change: Callable[[JSON], JSON | None]) -> JSON:
        try:
            return guaranteed_update(self._storage, self._key, change).object()
        except KeyNotFound:
            with suppress(KeyExists):  # another process may be first
                self._storage.create(self._key, self._record)
        return guaranteed_update(self._storage, self._key, change).object()
