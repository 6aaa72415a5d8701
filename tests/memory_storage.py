"""A Storage in a dict, for tests that make thousands of writes. It passes the storage contract.

It shares no rule with the product's stores: what a write may do, which keys a prefix means and how an object becomes
text stand here once more, so that the contract sees where the product's rule is wrong.
"""

from __future__ import annotations

import json
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence

from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import (
    Change,
    EventBatch,
    KeyExists,
    KeyNotFound,
    ObjectTooLarge,
    Page,
    Reader,
    RevisionConflict,
    RevisionExpired,
    StoredObject,
    WatchEvent,
)
from chalicelib.storage.write import SingleWrites

FIRST_REVISION = 1
OBJECT_BYTES = 1_572_864  # 1.5 MiB, as etcd takes by default
MOST_WRITES = 10  # of one transaction


class MemoryStorage(SingleWrites):
    """Holds all objects and events; many handles on one store are one MemoryStorage. Thread-safe."""

    indexes_labels = True

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

    def revision(self, prefix: str | None = None) -> int:  # noqa: ARG002
        """Return the store's current revision."""
        with self._changed:
            return self._compacted + len(self._events)

    def view(self, known: Iterable[StoredObject] = ()) -> Reader:  # noqa: ARG002
        """Return this storage."""
        return self

    def get(self, key: str) -> StoredObject:
        """Return the object under `key`."""
        with self._changed:
            if key not in self._objects:
                raise KeyNotFound(key)
            return self._objects[key]

    def get_all(self, keys: Sequence[str]) -> dict[str, StoredObject]:
        """Return those of the objects that there are."""
        with self._changed:
            return {key: self._objects[key] for key in keys if key in self._objects}

    def get_by_uid(self, uid: str) -> StoredObject:
        """Return the living object with that uid."""
        with self._changed:
            return self.get(self._keys.get(uid, ""))

    def list_by_owner(self, uid: str) -> list[StoredObject]:
        """Return what names `uid` as an owner."""
        with self._changed:
            return [self._objects[key] for key in self._owned.get(uid, ())]

    def list(
        self, prefix: str, *, limit: int | None = None, start_key: str | None = None, revision: int | None = None
    ) -> Page:
        """Return a page of objects, as they are or were."""
        prefix = _whole(prefix)
        with self._changed:
            at = self.revision() if revision is None else min(revision, self.revision())
            found = self._as_of(at)
        first_key = (start_key or "").encode()
        keys = sorted((key for key in found if key.startswith(prefix)), key=str.encode)
        keys = [key for key in keys if key.encode() >= first_key]
        first = keys[: limit or None]
        rest = keys[len(first) :]
        items = [found[key] for key in first]
        return Page(items, at, next_key=rest[0] if rest else None, remaining=len(rest))

    def list_labelled(self, prefix: str, labels: Mapping[str, str]) -> Page:
        """Return the objects that carry the labels."""
        page = self.list(prefix)
        found = [item for item in page.items if labels.items() <= item.object()["metadata"].get("labels", {}).items()]
        return Page(found, page.revision)

    def count(self, prefix: str) -> int:
        """Return how many objects there are under `prefix`."""
        return len(self.list(prefix).items)

    def transact(self, changes: Sequence[Change]) -> Sequence[StoredObject]:
        """Do all of these writes or none."""
        _check_form(changes)
        with self._changed:
            for change in changes:
                self._check(change)
            return [self._write(change) for change in changes]

    def events_after(self, prefix: str, revision: int, *, limit: int = 500) -> EventBatch:
        """Return what happened under `prefix` after `revision`."""
        prefix = _whole(prefix)
        with self._changed:
            if revision < self._compacted:
                raise RevisionExpired(revision, oldest=self._compacted)
            later = self._events[revision - self._compacted :]
            current = max(self.revision(), revision)
        events = [event for event in later if event.key.startswith(prefix)][:limit]
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

    def probe(self) -> None:
        """Take anything."""

    def close(self) -> None:
        """Wake all waiters."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _check(self, change: Change) -> None:
        living = self._objects.get(change.key)
        uid = change.obj["metadata"]["uid"] if change.obj else ""
        if change.type == "ADDED":
            if living or uid in self._keys:
                raise KeyExists(change.key)
            return
        if living is None:
            raise KeyNotFound(change.key)
        if living.revision != change.expected_revision:
            raise RevisionConflict(change.key, expected=change.expected_revision, actual=living.revision)
        if change.type == "MODIFIED" and self._keys.get(uid) != change.key:
            raise ValueError(f"the object under {change.key} has another uid")

    def _write(self, change: Change) -> StoredObject:
        old = self._objects.pop(change.key, None)
        revision = self.revision() + 1
        obj = change.obj or (old.object() if old else {})
        stored = StoredObject(change.key, revision, _text(obj, str(revision)))
        if old is not None:
            self._index(old, add=False)
        if change.type != "DELETED":
            self._objects[change.key] = stored
            self._index(stored, add=True)
        event = WatchEvent(change.type, change.key, revision, stored.json, old.json if old else None)
        self._events.append(event)
        self._times.append(self._clock())
        self._changed.notify_all()
        return stored

    def _index(self, stored: StoredObject, *, add: bool) -> None:
        metadata = stored.object()["metadata"]
        owned = [self._owned.setdefault(owner["uid"], set()) for owner in metadata.get("ownerReferences") or []]
        if add:
            self._keys[metadata["uid"]] = stored.key
        else:
            del self._keys[metadata["uid"]]
        for keys in owned:
            (keys.add if add else keys.discard)(stored.key)

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


def _whole(prefix: str) -> str:
    """Return the prefix. Raises ValueError for one that would match half a name."""
    if not prefix.endswith("/"):
        raise ValueError(f"{prefix} lacks its final slash")
    return prefix


def _text(obj: JSON, revision: str) -> str:
    """Return the text of an object: its revision first, its kind nowhere."""
    others = {name: value for name, value in obj["metadata"].items() if name != "resourceVersion"}
    rest = {name: value for name, value in obj.items() if name not in ("kind", "apiVersion", "metadata")}
    metadata = {"resourceVersion": revision, **others}
    return json.dumps({"metadata": metadata, **rest}, separators=(",", ":"), allow_nan=False)


def _check_form(changes: Sequence[Change]) -> None:
    """Raise what is wrong with a transaction whatever is stored."""
    uids = []
    for change in changes:
        if change.obj is None:
            if change.type != "DELETED":
                raise ValueError(f"nothing to store under {change.key}")
            continue
        uid = change.obj.get("metadata", {}).get("uid")
        if not isinstance(uid, str) or not uid:
            raise ValueError(f"the object under {change.key} has no uid")
        uids += [uid] if change.type == "ADDED" else []
        size = len(_text(change.obj, ""))
        if size > OBJECT_BYTES:
            raise ObjectTooLarge(change.key, size_bytes=size, limit_bytes=OBJECT_BYTES)
    if not 1 <= len(changes) <= MOST_WRITES:
        raise ValueError(f"{len(changes)} writes in one transaction")
    if len({change.key for change in changes}) < len(changes) or len(set(uids)) < len(uids):
        raise ValueError("a transaction writes one key, or one new uid, twice")
