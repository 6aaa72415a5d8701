"""The Storage contract: objects under keys, one revision, and the log of what happened to them.

A store has one strictly increasing integer revision. Each write takes the next one **in the same
transaction** as the object, its uid row and its event, so whoever reads revision N sees everything up
to N: no gap, no reorder, no lost event. Revisions start above 0.

Keys are `/registry/<resource>/<name>` or `/registry/<resource>/<namespace>/<name>`, compared by their
UTF-8 bytes; `<resource>` never holds a slash. A prefix ends in `/` and names a resource or a resource and
namespace (`/registry/pods/`, `/registry/pods/default/`).

Values are Kubernetes objects. The store keeps an object as one JSON text, **without** `kind` and
`apiVersion` (the key says them), with `metadata.resourceVersion` set to the write's revision.
Compare etcd's API guarantees (etcd v3.6 docs, "KV API guarantees").
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from chalicelib.apimachinery.types import JSON

EventType = Literal["ADDED", "MODIFIED", "DELETED"]

TRANSACTION_WRITES = 10  # at once: with five items each, half of what DynamoDB takes


class StorageError(Exception):
    """Base of all that a Storage raises."""


class KeyExists(StorageError):
    """create() met a living object under that key, or with that uid."""


class KeyNotFound(StorageError):
    """No living object under that key or uid."""


class RevisionConflict(StorageError):
    """The object's revision is not the expected one; `actual` is the stored one, if known."""

    def __init__(self, key: str, *, expected: int, actual: int | None = None) -> None:
        super().__init__(f"{key}: expected revision {expected}, found {actual}")
        self.key = key
        self.expected = expected
        self.actual = actual


class RevisionExpired(StorageError):
    """The events needed are gone; `oldest` is the oldest revision that can still be asked for."""

    def __init__(self, revision: int, *, oldest: int) -> None:
        super().__init__(f"revision {revision} has expired, the oldest is {oldest}")
        self.revision = revision
        self.oldest = oldest


class ObjectTooLarge(StorageError):
    """The object does not fit the backend's item size; nothing was written."""

    def __init__(self, key: str, *, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"{key}: {size_bytes} bytes, the limit is {limit_bytes}")
        self.key = key
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class StorageUnavailable(StorageError):
    """The backend did not take the operation (throttled, disk full, locked too long): the same call may be repeated.

    Nothing was written, unless an answer was lost on its way (DynamoDB, after all repetitions): then it may have been,
    and the call is refused as a second one: KeyExists, RevisionConflict, KeyNotFound.
    """


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as stored: `json` is its text without kind and apiVersion, at `revision`."""

    key: str
    revision: int
    json: str

    def object(self) -> JSON:
        """Return the object, decoded anew at each call: the caller may change it."""
        decoded: JSON = json.loads(self.json)
        return decoded


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One write: the object after it (for DELETED the last state), and before it (None for ADDED).

    `json` carries the event's own revision in metadata.resourceVersion, for DELETED too.
    """

    type: EventType
    key: str
    revision: int
    json: str
    previous_json: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """One write of a transaction: what create(), update() or delete() would be called with.

    `obj` is the object after it; for DELETED its last state, None for the one stored. `expected_revision` has no
    meaning for ADDED.
    """

    type: EventType
    key: str
    obj: JSON | None
    expected_revision: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, in key order, as of `revision`.

    `next_key` is the first key not given, None on the last page; `remaining` counts what follows, None where that
    would cost as much as reading (DynamoDB).
    """

    items: list[StoredObject]
    revision: int
    next_key: str | None = None
    remaining: int | None = 0


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Events in revision order; complete up to and including `revision`, so go on from there."""

    events: list[WatchEvent]
    revision: int


class Reader(Protocol):
    """Reads for one decision: what is stored as of some moment, or later."""

    def revision(self) -> int:
        """Return a revision that all reads are as new as."""
        ...

    def get(self, key: str) -> StoredObject:
        """Return the object under `key`. Raises KeyNotFound."""
        ...

    def get_by_uid(self, uid: str) -> StoredObject:
        """Return the living object with that metadata.uid. Raises KeyNotFound."""
        ...

    def list(self, prefix: str) -> Page:
        """Return the objects under `prefix` in key order."""
        ...


class Storage(Protocol):
    """What a backend does. Safe to call from many threads, and from many processes on one store.

    Of keys.NEWS a backend may promise less (DynamoDB does), so that each is one cheap write. Their revisions have an
    order of their own. Neither uid nor owner finds them, and a uid may be used twice. Transactions are all or none
    without them: they are written first. Lists are of now, whatever revision was asked for. A watch hears of each
    within seconds, as it is by then, but not of its removal. A watch from a list hears again of what was written in the
    last seconds before it.
    """

    indexes_labels: bool  # whether list_labelled() reads only what it returns

    def revision(self, prefix: str | None = None) -> int:
        """Return the current revision, consistently read: the store's, or what news under that prefix go by."""
        ...

    def view(self, known: Iterable[StoredObject] = ()) -> Reader:
        """Return a reader of what is stored now, or later; of `known`, what the caller has read a moment ago.

        For many reads of what seldom changes: on DynamoDB those cost nothing where this process knows of no change.
        """
        ...

    def create(self, key: str, obj: JSON) -> StoredObject:
        """Store a new object and its ADDED event; return it with its revision.

        `metadata.uid` must be set (ValueError). `obj` is not changed. Raises KeyExists, if the key or
        the uid is in use; ObjectTooLarge.
        """
        ...

    def get(self, key: str) -> StoredObject:
        """Return the object under `key`, consistently read. Raises KeyNotFound."""
        ...

    def get_all(self, keys: Sequence[str]) -> dict[str, StoredObject]:
        """Return those of the objects under `keys` that there are, each consistently read, not all at one moment."""
        ...

    def get_by_uid(self, uid: str) -> StoredObject:
        """Return the living object with that metadata.uid, consistently read. Raises KeyNotFound."""
        ...

    def list_by_owner(self, uid: str) -> list[StoredObject]:
        """Return the living objects that name `uid` in metadata.ownerReferences, in any order.

        Consistently read, at the cost of what is returned: every delete asks.
        """
        ...

    def list(
        self, prefix: str, *, limit: int | None = None, start_key: str | None = None, revision: int | None = None
    ) -> Page:
        """Return the objects under `prefix` in key order, from `start_key` on (inclusive).

        With `revision`, the state exactly as of that revision, rebuilt from the event log; raises
        RevisionExpired if events after it are gone; a revision of the future gives the state of now,
        at its own revision. Without `revision`, a consistent state of now. No limit, or 0, gives all.
        A page and its `revision` always belong together: a watch from it misses nothing.
        """
        ...

    def list_labelled(self, prefix: str, labels: Mapping[str, str]) -> Page:
        """Return the objects under `prefix`, as they are now, that carry all of these labels: one page, in key order.

        As of its `revision`, as list() is. Without an index of labels, as on DynamoDB, all under `prefix` is read.
        """
        ...

    def count(self, prefix: str) -> int:
        """Return how many objects there are under `prefix`: every one that lives all the while is counted.

        On a store that others write to, those that come or go meanwhile may be counted or not.
        """
        ...

    def update(self, key: str, obj: JSON, *, expected_revision: int) -> StoredObject:
        """Replace the object if it still has that revision, with its MODIFIED event; return it.

        metadata.uid must not change (ValueError). Raises KeyNotFound, RevisionConflict, ObjectTooLarge.
        """
        ...

    def delete(self, key: str, *, expected_revision: int, last: JSON | None = None) -> StoredObject:
        """Remove the object if it still has that revision, with its DELETED event.

        Returns its last state carrying the deletion's revision: `last` if given (say, with
        deletionTimestamp set), else what was stored. Raises KeyNotFound, RevisionConflict.
        """
        ...

    def transact(self, changes: Sequence[Change]) -> Sequence[StoredObject]:
        """Do all of these writes or none, at revisions that follow one another; return what each returns alone.

        Each is judged by what is stored before all of them, and the first that would be refused alone is raised.
        At most TRANSACTION_WRITES, with distinct keys and new uids (ValueError), of which one may be large.
        """
        ...

    def events_after(self, prefix: str, revision: int, *, limit: int = 500) -> EventBatch:
        """Return what happened under `prefix` after `revision`, in order, at most `limit` events.

        Raises RevisionExpired if events after `revision` may be gone. A revision of the future
        gives an empty batch with that same revision.
        """
        ...

    def wait(self, revision: int, seconds: float, prefix: str | None = None) -> int:
        """Block until the store's revision is above `revision`, or for `seconds`; return it.

        Written to by this process, it returns at once; by another, within a second. With `prefix` the backend may
        sleep through writes elsewhere, or return early: callers loop.
        """
        ...

    def expire_events(self, keep_seconds: float) -> int:
        """Drop events older than that; return the oldest revision still to be asked for."""
        ...

    def probe(self) -> None:
        """Write something that nobody sees, and that takes no revision. Raises StorageUnavailable where that fails."""
        ...

    def close(self) -> None:
        """Let go of files, connections and threads, and wake all waiters. May be repeated."""
        ...
