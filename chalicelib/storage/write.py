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
)
from chalicelib.storage.encoding import Draft, draft

OBJECT_BYTES = 1536 * 1024  # etcd's default for a request, so what fits a cluster fits here


@dataclass(frozen=True, slots=True)
class Write:
    """One write asked for; `draft` is None for a DELETED whose last state is what is stored."""

    type: EventType
    key: str
    draft: Draft | None
    expected_revision: int = 0  # of no meaning for ADDED


def drafted(changes: Sequence[Change]) -> tuple[Write, ...]:
    """Encode the writes of one transaction. Raises ObjectTooLarge, and ValueError for what none may be."""
    writes = tuple(
        Write(
            change.type,
            change.key,
            None if change.obj is None else sized_draft(change.key, change.obj),
            change.expected_revision,
        )
        for change in changes
    )
    new_uids = [write.draft.uid for write in writes if write.draft and write.type == "ADDED"]
    if not 1 <= len(writes) <= TRANSACTION_WRITES:
        raise ValueError(f"a transaction has 1 to {TRANSACTION_WRITES} writes, not {len(writes)}")
    if len({write.key for write in writes}) < len(writes) or len(set(new_uids)) < len(new_uids):
        raise ValueError("a key, or a new uid, stands twice in a transaction")
    if any(write.draft is None and write.type != "DELETED" for write in writes):
        raise ValueError("only what is deleted may lack its object")
    return writes


def sized_draft(key: str, obj: JSON) -> Draft:
    """Encode `obj`. Raises ObjectTooLarge, and ValueError as draft() does."""
    drafted = draft(obj)
    if drafted.size_bytes > OBJECT_BYTES:
        raise ObjectTooLarge(key, size_bytes=drafted.size_bytes, limit_bytes=OBJECT_BYTES)
    return drafted


def find_refusal(
    write: Write, *, revision: int | None, uid: str | None, is_uid_taken: bool
) -> Exception | None:
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
