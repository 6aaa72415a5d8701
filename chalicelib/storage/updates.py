"""Changes that meet other writers: of one object, until none interferes; and a removal with what goes beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chalicelib.apimachinery.rules.retry import retried
from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import (
    Change,
    KeyExists,
    KeyNotFound,
    ObjectTooLarge,
    RevisionConflict,
    Storage,
    StoredObject,
)

GUARANTEED_UPDATE_ATTEMPTS = 100  # far above what a race needs, even an unfair one whose winner writes again at once


def guaranteed_update(
    storage: Storage,
    key: str,
    change: Callable[[JSON], JSON | None],
    *,
    known: StoredObject | None = None,
    transact: Callable[[Sequence[Change]], Sequence[StoredObject]] | None = None,
) -> StoredObject:
    """Apply `change` to the object under `key` until no other writer interferes; return the result.

    `change` gets a fresh copy each time and may run many times, so it must be pure; None, or an equal object, writes
    nothing. The first try goes by what is `known`, if given. `transact` writes, where it is not the storage's own.
    Raises KeyNotFound; RevisionConflict if the race is lost GUARANTEED_UPDATE_ATTEMPTS times; and whatever `change`
    raises.
    """

    def update_once() -> StoredObject:
        nonlocal known
        stored, known = known or storage.get(key), None
        changed = change(stored.object())
        if changed is None or changed == stored.object():
            return stored
        return (transact or storage.transact)([Change("MODIFIED", key, changed, stored.revision)])[0]

    return retried(update_once, on=RevisionConflict, attempts=GUARANTEED_UPDATE_ATTEMPTS)


def remove_with(storage: Storage, live: StoredObject, beside: Sequence[Change]) -> StoredObject:
    """Remove an object, at its revision, and do the other writes in the same transaction; return its last state.

    What is written beside never keeps it: what is too large, or there already under another uid, is left out. What an
    earlier removal that did not come about has left of it is replaced. Raises KeyNotFound, RevisionConflict.
    """
    left = list(beside)
    for _ in range(2 * len(beside)):  # each is once there already, or too large
        if not left:
            break
        try:
            return storage.transact([Change("DELETED", live.key, None, live.revision), *left])[0]
        except KeyExists:
            left = [over for each in left if (over := _written_over(storage, each))]
        except ObjectTooLarge as error:
            left = [each for each in left if each.key != error.key]
    return storage.delete(live.key, expected_revision=live.revision)


def _written_over(storage: Storage, change: Change) -> Change | None:
    """Return an addition as a change of the same object that is there, None if that is another one."""
    try:
        there = storage.get(change.key)
    except KeyNotFound:
        return change
    is_same = change.obj and there.object()["metadata"]["uid"] == change.obj["metadata"]["uid"]
    return Change("MODIFIED", change.key, change.obj, there.revision) if is_same else None
