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
# As one parameter, of which there may be but so many: the labels of a batch can be thousands.
_PAIRS = "SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?)"
Outcome = list[StoredObject] | Exception  # an exception is raised in the thread that asked for the group


@dataclass(frozen=True, slots=True)
class Living:
    """What is stored under a key."""

    revision: int
    uid: str
    owners: tuple[str, ...]
    labels: tuple[str, ...]
    json: str


class Plan:
    """Groups of writes decided one after another, each seeing what those before it did. Pure."""

    def __init__(self, revision: int, living: dict[str, Living]) -> None:
        self.first_revision = revision  # the events follow it
        self.living = living
        self.before = dict(living)
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
            self.living[write.key] = Living(revision, write.draft.uid, write.draft.owners, write.draft.labels, text)
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
        "SELECT objects.key, revision, uid, owners, labels, json FROM objects JOIN history USING (revision)"
        f" WHERE objects.key IN ({_marks(keys)}){or_uid}",
        (*keys, *uids),
    )
    living = {
        key: Living(at, uid, tuple(json.loads(owners)), tuple(json.loads(labels)), text)
        for key, at, uid, owners, labels, text in rows
    }
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
        rows = [(key, now.revision, now.uid, json.dumps(now.owners), json.dumps(now.labels)) for key, now in alive]
        connection.execute(f"REPLACE INTO objects VALUES {_rows(rows)}", _flat(rows))
    states = [(key, plan.before.get(key), plan.living.get(key)) for key in touched]
    _keep_terms(connection, "owned", "owner", [(key, _owners(old), _owners(now)) for key, old, now in states])
    _keep_terms(connection, "labelled", "label", [(key, _labels(old), _labels(now)) for key, old, now in states])


def _owners(found: Living | None) -> tuple[str, ...]:
    return found.owners if found else ()


def _labels(found: Living | None) -> tuple[str, ...]:
    return found.labels if found else ()


def _keep_terms(
    connection: sqlite3.Connection,
    table: str,
    column: str,
    changes: Sequence[tuple[str, tuple[str, ...], tuple[str, ...]]],
) -> None:
    """Have a table of terms tell, for each key, its terms as they are after a write, given those before it."""
    lost = [(term, key) for key, before, after in changes for term in before if term not in after]
    new = [(term, key) for key, before, after in changes for term in after if term not in before]
    if lost:
        connection.execute(f"DELETE FROM {table} WHERE ({column}, key) IN ({_PAIRS})", (json.dumps(lost),))
    if new:
        connection.execute(f"INSERT INTO {table} {_PAIRS}", (json.dumps(new),))


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
