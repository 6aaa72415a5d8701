"""Batches of writes to SQLite: decide each in order, then store all with a few statements.

A batch takes the same handful of statements whatever its size, since each statement gives up and wins
back Python's interpreter lock, which costs more than the statement when many threads run.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chalicelib.storage.base import StoredObject, WatchEvent
from chalicelib.storage.keys import restamp
from chalicelib.storage.write import Write, find_refusal

Group = tuple[Write, ...]  # writes that happen together or not at all
Outcome = list[StoredObject] | Exception  # an exception is raised in the thread that asked for the group


@dataclass(frozen=True, slots=True)
class Living:
    """What is stored under a key."""

    revision: int
    uid: str
    owners: tuple[str, ...]
    json: str


class Plan:
    """Groups of writes decided one after another, each seeing what those before it did. Pure."""

    def __init__(self, revision: int, living: dict[str, Living]) -> None:
        self.first_revision = revision  # the events follow it
        self.living = living
        self.owners_before = {key: found.owners for key, found in living.items()}
        self.events: list[WatchEvent] = []
        self.previous_revisions: list[int | None] = []  # one for each event
        self._uids = {found.uid for found in living.values()}

    def decide(self, group: Group) -> Outcome:
        """Take in all writes of a group, or return why the first is refused that may not be."""
        for write in group:
            old = self.living.get(write.key)
            refusal = find_refusal(
                write,
                revision=old.revision if old else None,
                uid=old.uid if old else None,
                is_uid_taken=write.draft is not None and write.draft.uid in self._uids,
            )
            if refusal:
                return refusal
        return [self._take_in(write) for write in group]

    def _take_in(self, write: Write) -> StoredObject:
        old = self.living.get(write.key)
        revision = self.first_revision + len(self.events) + 1
        text = write.draft.at(revision) if write.draft else restamp(old.json if old else "", revision)
        previous = old.json if old else None
        self.events.append(WatchEvent(write.type, write.key, revision, text, previous))
        self.previous_revisions.append(old.revision if old else None)
        if old:
            del self.living[write.key]
            self._uids.discard(old.uid)
        if write.type != "DELETED" and write.draft:
            self.living[write.key] = Living(revision, write.draft.uid, write.draft.owners, text)
            self._uids.add(write.draft.uid)
        return StoredObject(write.key, revision, text)


def read_state(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the store's revision, and the one up to which events have expired."""
    revision, compacted = connection.execute(
        "SELECT max(compacted, coalesce((SELECT max(revision) FROM history), 0)), compacted FROM store"
    ).fetchone()
    return revision, compacted


def read_plan(connection: sqlite3.Connection, groups: Iterable[Group]) -> Plan:
    """Return an empty plan that knows what these writes need to know of the store."""
    revision, _ = read_state(connection)
    writes = [write for group in groups for write in group]
    keys = [write.key for write in writes]
    uids = [write.draft.uid for write in writes if write.draft and write.type == "ADDED"]
    # An empty list after OR would make SQLite read all objects.
    or_uid = f" OR uid IN ({_marks(uids)})" if uids else ""
    rows = connection.execute(
        "SELECT objects.key, revision, uid, owners, json FROM objects JOIN history USING (revision)"
        f" WHERE objects.key IN ({_marks(keys)}){or_uid}",
        (*keys, *uids),
    )
    living = {key: Living(at, uid, tuple(json.loads(owners)), text) for key, at, uid, owners, text in rows}
    return Plan(revision, living)


def store(connection: sqlite3.Connection, plan: Plan, *, at: float) -> None:
    """Write a plan's events and what they leave of the objects, inside the caller's transaction."""
    if not plan.events:
        return
    history = [
        (event.revision, at, event.type, event.key, previous, event.json)
        for event, previous in zip(plan.events, plan.previous_revisions, strict=True)
    ]
    connection.execute(f"INSERT INTO history VALUES {_rows(history)}", _flat(history))
    touched = dict.fromkeys(event.key for event in plan.events)
    gone = [key for key in touched if key not in plan.living]
    if gone:
        connection.execute(f"DELETE FROM objects WHERE key IN ({_marks(gone)})", gone)
    alive = [(key, plan.living[key]) for key in touched if key in plan.living]
    if alive:
        rows = [(key, now.revision, now.uid, json.dumps(now.owners)) for key, now in alive]
        connection.execute(f"REPLACE INTO objects VALUES {_rows(rows)}", _flat(rows))
    after = {key: plan.living[key].owners if key in plan.living else () for key in touched}
    before = {key: plan.owners_before.get(key, ()) for key in after}
    lost = [(owner, key) for key in after for owner in before[key] if owner not in after[key]]
    if lost:
        connection.execute(f"DELETE FROM owned WHERE (owner, key) IN (VALUES {_rows(lost)})", _flat(lost))
    new = [(owner, key) for key in after for owner in after[key] if owner not in before[key]]
    if new:
        connection.execute(f"INSERT INTO owned VALUES {_rows(new)}", _flat(new))


def expire(connection: sqlite3.Connection, expired_at: float, *, limit: int) -> tuple[int, bool]:
    """Drop up to `limit` events written before `expired_at`; return the state and if all are done.

    A row goes once its successor has expired, or at once if it is a deletion: nobody can ask for it
    any more. So each row is looked at once, and present states stay.
    """
    _, compacted = read_state(connection)
    rows = connection.execute(
        "SELECT revision, at, type, previous FROM history WHERE revision > ? ORDER BY revision LIMIT ?",
        (compacted, limit),
    ).fetchall()
    expired = []
    for row in rows:
        if row[1] >= expired_at:
            break
        expired.append(row)
    if not expired:
        return compacted, True
    gone = [previous for _, _, _, previous in expired if previous is not None]
    gone += [revision for revision, _, type_, _ in expired if type_ == "DELETED"]
    if gone:
        connection.execute(f"DELETE FROM history WHERE revision IN ({_marks(gone)})", gone)
    compacted = expired[-1][0]
    connection.execute("UPDATE store SET compacted = ?", (compacted,))
    return compacted, len(expired) < limit


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _rows(rows: Sequence[Sequence[object]]) -> str:
    return ",".join([f"({_marks(rows[0])})"] * len(rows))


def _flat(rows: Sequence[Sequence[object]]) -> list[object]:
    return [value for row in rows for value in row]
