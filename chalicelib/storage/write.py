"""A write that was asked for, and whether what is stored allows it: the same rule for every backend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import (
    TRANSACTION_WRITES,
    Change,
    EventType,
    KeyExists,
    KeyNotFound,
    ObjectTooLarge,
    RevisionConflict,
    StoredObject,
)
from chalicelib.storage.keys import Draft, draft

OBJECT_BYTES = 1536 * 1024  # etcd's default for a request, so what fits a cluster fits here


class SingleWrites:
    """The part of a Storage that writes one object: each is a transaction of one change."""

    def transact(self, changes: Sequence[Change]) -> Sequence[StoredObject]:
        """Do all of these writes or none; see Storage.transact."""
        raise NotImplementedError

    def create(self, key: str, obj: JSON) -> StoredObject:
        """Store a new object. Raises KeyExists if its key, or its uid elsewhere, is in use."""
        return self.transact([Change("ADDED", key, obj)])[0]

    def update(self, key: str, obj: JSON, *, expected_revision: int) -> StoredObject:
        """Replace an object. Raises ValueError if its uid would change."""
        return self.transact([Change("MODIFIED", key, obj, expected_revision)])[0]

    def delete(self, key: str, *, expected_revision: int, last: JSON | None = None) -> StoredObject:
        """Remove an object; return its last state."""
        return self.transact([Change("DELETED", key, last, expected_revision)])[0]


@dataclass(frozen=True, slots=True)
class Write:
    """One write asked for; `draft` is None for a DELETED whose last state is what is stored."""

    type: EventType
    key: str
    draft: Draft | None
    expected_revision: int = 0  # of no meaning for ADDED


def drafted(changes: Sequence[Change]) -> tuple[Write, ...]:
    """Encode the writes of one transaction. Raises ObjectTooLarge, and ValueError for invalid ones."""
    writes = []
    for change in changes:
        encoded = None if change.obj is None else draft(change.obj)
        if encoded and encoded.size_bytes > OBJECT_BYTES:
            raise ObjectTooLarge(change.key, size_bytes=encoded.size_bytes, limit_bytes=OBJECT_BYTES)
        writes.append(Write(change.type, change.key, encoded, change.expected_revision))
    new_uids = [write.draft.uid for write in writes if write.draft and write.type == "ADDED"]
    if not 1 <= len(writes) <= TRANSACTION_WRITES:
        raise ValueError(f"a transaction has 1 to {TRANSACTION_WRITES} writes, not {len(writes)}")
    if len({write.key for write in writes}) < len(writes) or len(set(new_uids)) < len(new_uids):
        raise ValueError("a key, or a new uid, stands twice in a transaction")
    if any(write.draft is None and write.type != "DELETED" for write in writes):
        raise ValueError("only what is deleted may lack its object")
    return tuple(writes)


def find_refusal(write: Write, *, revision: int | None, uid: str | None, is_uid_taken: bool) -> Exception | None:
    """Return why the write must not be done, or None.

    `revision` and `uid` are those of the object living under the key, None without one.
    """
    if write.type == "ADDED":
        return KeyExists(write.key) if revision is not None or is_uid_taken else None
    if revision is None:
        return KeyNotFound(write.key)
    if revision != write.expected_revision:
        return RevisionConflict(write.key, expected=write.expected_revision, actual=revision)
    if write.type == "MODIFIED" and write.draft and write.draft.uid != uid:
        return ValueError(f"{write.key}: metadata.uid must not change")
    return None
