"""A Storage in a dict, for tests that make thousands of writes. It passes the storage contract."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence

from chalicelib.storage.base import (
    Change,
    EventBatch,
    EventType,
    KeyNotFound,
    Page,
    Reader,
    RevisionExpired,
    StoredObject,
    WatchEvent,
)
from chalicelib.storage.encoding import draft, restamp
from chalicelib.storage.keyspace import prefix_range
from chalicelib.storage.write import SingleWrites, Write, drafted, find_refusal

FIRST_REVISION = 1


class MemoryStorage(SingleWrites):
    """Holds all objects and events; many handles on one store are one MemoryStorage. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._changed = threading.Condition(threading.RLock())
        self._objects: dict[str, StoredObject] = {}
        self._keys: dict[str, str] = {}  # uid -> key
        self._owned: dict[str, set[str]] = {}  # owner's uid -> keys
        self._events: list[WatchEvent] = []  # one for each revision after _compacted
        self._times: list[float] = []  # of the events
        self._compacted = FIRST_REVISION
        self._closed = False

    def revision(self) -> int:
        """Return the store's current revision."""
        with self._changed:
            return self._compacted + len(self._events)

    def view(self) -> Reader:
        """Return this storage."""
        return self

    def get(self, key: str) -> StoredObject:
        """Return the object under `key`."""
        with self._changed:
            if key not in self._objects:
                raise KeyNotFound(key)
            return self._objects[key]

    def get_by_uid(self, uid: str) -> StoredObject:
        """Return the living object with that uid."""
        with self._changed:
            return self.get(self._keys.get(uid, ""))

    def list_by_owner(self, uid: str) -> list[StoredObject]:
        """Return what names `uid` as an owner."""
        with self._changed:
            return [self._objects[key] for key in self._owned.get(uid, ())]

    def list(
        self,
        prefix: str,
        *,
        limit: int | None = None,
        start_key: str | None = None,
        revision: int | None = None,
    ) -> Page:
        """Return a page of objects, as they are or were."""
        start, beyond = prefix_range(prefix, start_key)
        with self._changed:
            at = self.revision() if revision is None else min(revision, self.revision())
            found = self._as_of(at)
        keys = sorted((key for key in found if start <= key < beyond), key=str.encode)
        first = keys[: limit or None]
        rest = keys[len(first) :]
        items = [found[key] for key in first]
        return Page(items, at, next_key=rest[0] if rest else None, remaining=len(rest))

    def count(self, prefix: str) -> int:
        """Return how many objects there are under `prefix`."""
        return len(self.list(prefix).items)

    def transact(self, changes: Sequence[Change]) -> Sequence[StoredObject]:
        """Do all of these writes or none."""
        writes = drafted(changes)
        with self._changed:
            for write in writes:
                self._check(write)
            return [self._take_in(write) for write in writes]

    def events_after(self, prefix: str, revision: int, *, limit: int = 500) -> EventBatch:
        """Return what happened under `prefix` after `revision`."""
        start, beyond = prefix_range(prefix)
        with self._changed:
            if revision < self._compacted:
                raise RevisionExpired(revision, oldest=self._compacted)
            later = self._events[revision - self._compacted :]
            current = max(self.revision(), revision)
        events = [event for event in later if start <= event.key < beyond][:limit]
        return EventBatch(events, events[-1].revision if len(events) == limit else current)

    def wait(self, revision: int, seconds: float, prefix: str | None = None) -> int:
        """Block until the revision is above `revision`, or for `seconds`."""
        del prefix
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self.revision() > revision, timeout=seconds)
            return self.revision()

    def expire_events(self, keep_seconds: float) -> int:
        """Drop events older than that."""
        with self._changed:
            count = bisect_left(self._times, self._clock() - keep_seconds)
            del self._events[:count], self._times[:count]
            self._compacted += count
            return self._compacted

    def close(self) -> None:
        """Wake all waiters."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _check(self, write: Write) -> None:
        old = self._objects.get(write.key)
        refusal = find_refusal(
            write,
            revision=old.revision if old else None,
            uid=draft(old.object()).uid if old else None,
            is_uid_taken=write.draft is not None and write.draft.uid in self._keys,
        )
        if refusal:
            raise refusal

    def _take_in(self, write: Write) -> StoredObject:
        revision = self.revision() + 1
        if write.draft:
            return self._write(write.type, write.key, write.draft.at(revision))
        return self._write(write.type, write.key, restamp(self._objects[write.key].json, revision))

    def _write(self, type: EventType, key: str, text: str) -> StoredObject:
        old = self._objects.pop(key, None)
        stored = StoredObject(key, self.revision() + 1, text)
        if old is not None:
            self._index(old, add=False)
        if type != "DELETED":
            self._objects[key] = stored
            self._index(stored, add=True)
        self._events.append(WatchEvent(type, key, stored.revision, text, old.json if old else None))
        self._times.append(self._clock())
        self._changed.notify_all()
        return stored

    def _index(self, stored: StoredObject, *, add: bool) -> None:
        made = draft(stored.object())
        if add:
            self._keys[made.uid] = stored.key
        else:
            del self._keys[made.uid]
        for owner in made.owners:
            keys = self._owned.setdefault(owner, set())
            if add:
                keys.add(stored.key)
            else:
                keys.discard(stored.key)

    def _as_of(self, revision: int) -> dict[str, StoredObject]:
        """Return the objects as of a revision, by undoing the events after it."""
        if revision < self._compacted:
            raise RevisionExpired(revision, oldest=self._compacted)
        found = dict(self._objects)
        for event in reversed(self._events[revision - self._compacted :]):
            if event.previous_json is None:
                del found[event.key]
            else:
                before = int(StoredObject("", 0, event.previous_json).object()["metadata"]["resourceVersion"])
                found[event.key] = StoredObject(event.key, before, event.previous_json)
        return found
