"""Storage in one SQLite file: the embedded default.

Writes of many threads share a transaction (GroupCommit) and are on disk when the call returns.
What this process wrote is kept in memory for watchers (tail.py); what another process wrote is looked
for four times a second, while somebody waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import starmap
from pathlib import Path

from chalicelib.storage.base import (
    Change,
    EventBatch,
    KeyNotFound,
    Page,
    Reader,
    RevisionExpired,
    StorageUnavailable,
    StoredObject,
    WatchEvent,
)
from chalicelib.storage.group_commit import GroupCommit
from chalicelib.storage.keys import label_term, prefix_range
from chalicelib.storage.sqlite import write as sqlite_write
from chalicelib.storage.sqlite.file import SqliteFile
from chalicelib.storage.sqlite.view import Memory, SqliteView
from chalicelib.storage.sqlite.write import Group, Outcome, read_state
from chalicelib.storage.tail import TAIL_EVENTS, Poller, Tail
from chalicelib.storage.write import SingleWrites, drafted

FOREIGN_WRITES_SECONDS = 0.25  # a second is promised; one look costs some ten microseconds
BATCH_WRITES = 64  # keeps one transaction, and so the wait of the next writer, short
MANY_CARRIERS = 1_000  # of a label: another one may have fewer, and counting more would cost more than it saves
EXPIRE_EVENTS = 500  # in one transaction, so that writers do not wait long

_LIVING = "SELECT key, revision FROM objects WHERE key >= :start AND key < :beyond"
# The living at :revision: what has not changed since, and what the first change since then replaced.
_LIVED = """
SELECT key, revision FROM objects WHERE key >= :start AND key < :beyond AND revision <= :revision
UNION ALL
SELECT key, previous FROM (
    SELECT key, previous, min(revision) FROM history
    WHERE revision > :revision AND key >= :start AND key < :beyond GROUP BY key
) WHERE previous IS NOT NULL
"""
# How many carry a label, up to so many.
_CARRIERS = """
SELECT count(*) FROM (SELECT 1 FROM labelled WHERE label = ? AND key >= ? AND key < ? LIMIT ?)
"""
_LABELLED = """
SELECT labelled.key, revision, json FROM labelled JOIN objects USING (key) JOIN history USING (revision)
WHERE label = ? AND labelled.key >= ? AND labelled.key < ?{} ORDER BY labelled.key
"""
_EVENTS = """
SELECT now.type, now.key, now.revision, now.json, before.json
FROM history AS now LEFT JOIN history AS before ON before.revision = now.previous
WHERE now.revision > ? AND now.key >= ? AND now.key < ? ORDER BY now.revision LIMIT ?
"""


class SqliteStorage(SingleWrites):
    """Storage in one file. See base.Storage for what each method promises."""

    indexes_labels = True

    def __init__(self, path: str | Path, *, clock: Callable[[], float] = time.time) -> None:
        self._file = SqliteFile(Path(path))
        self._clock = clock
        self._commits: GroupCommit[Group, Outcome] = GroupCommit(
            self._commit,
            most=BATCH_WRITES,
            failed=lambda: StorageUnavailable("the write was interrupted before it was stored"),
        )
        try:
            self._tail = Tail(self.revision())
        except StorageUnavailable:
            self._file.close()
            raise
        self._objects = Memory[StoredObject](self._tail)
        self._lists = Memory[list[StoredObject]](self._tail)
        self._poller = Poller(self._tail, self._read_foreign_writes, pause_seconds=FOREIGN_WRITES_SECONDS)

    def revision(self, prefix: str | None = None) -> int:  # noqa: ARG002
        """Return the store's current revision."""
        with self._file.reader() as connection:
            return read_state(connection)[0]

    def view(self, known: Iterable[StoredObject] = ()) -> Reader:  # noqa: ARG002
        """Return a reader that costs one statement, and no more for what has not changed."""
        return SqliteView(
            self.revision(),
            objects=self._objects,
            lists=self._lists,
            get=self.get,
            get_by_uid=self.get_by_uid,
            list_all=self.list,
        )

    def get(self, key: str) -> StoredObject:
        """Return the object under `key`."""
        return self._get("key", key)

    def get_all(self, keys: Sequence[str]) -> dict[str, StoredObject]:
        """Return those of the objects that there are."""
        places = ", ".join("?" * len(keys))
        with self._file.reader() as connection:
            rows = connection.execute(
                "SELECT objects.key, revision, json FROM objects JOIN history USING (revision)"
                f" WHERE objects.key IN ({places})",
                keys,
            ).fetchall()
        return {row[0]: StoredObject(*row) for row in rows}

    def get_by_uid(self, uid: str) -> StoredObject:
        """Return the living object with that uid."""
        return self._get("uid", uid)

    def list_by_owner(self, uid: str) -> list[StoredObject]:
        """Return the living objects that name `uid` as an owner."""
        with self._file.reader() as connection:
            rows = connection.execute(
                "SELECT owned.key, revision, json FROM owned JOIN objects USING (key)"
                " JOIN history USING (revision) WHERE owner = ?",
                (uid,),
            ).fetchall()
        return [StoredObject(*row) for row in rows]

    def list(
        self, prefix: str, *, limit: int | None = None, start_key: str | None = None, revision: int | None = None
    ) -> Page:
        """Return a page of objects, as they are or as they were at `revision`."""
        start, beyond = prefix_range(prefix, start_key)
        with self._file.snapshot() as connection:
            current, compacted = read_state(connection)
            at = current if revision is None else min(revision, current)
            if at < compacted:
                raise RevisionExpired(at, oldest=compacted)
            living = _LIVING if at == current else _LIVED
            bounds = {"start": start, "beyond": beyond, "revision": at, "limit": limit or -1}
            rows = connection.execute(
                f"SELECT living.key, revision, json FROM ({living}) AS living JOIN history USING (revision)"
                " ORDER BY living.key LIMIT :limit",
                bounds,
            ).fetchall()
            items = [StoredObject(*row) for row in rows]
            if not limit or len(items) < limit:
                return Page(items, at)
            following = connection.execute(
                f"SELECT min(key), count(*) FROM ({living}) WHERE key > :last", {**bounds, "last": items[-1].key}
            )
            next_key, remaining = following.fetchone()
        return Page(items, at, next_key=next_key, remaining=remaining)

    def list_labelled(self, prefix: str, labels: Mapping[str, str]) -> Page:
        """Return what carries the labels, found by the one of them that the fewest carry."""
        if not labels:
            return self.list(prefix)
        start, beyond = prefix_range(prefix)
        with self._file.snapshot() as connection:
            revision, _ = read_state(connection)
            terms = sorted(
                starmap(label_term, labels.items()),
                key=lambda term: connection.execute(_CARRIERS, (term, start, beyond, MANY_CARRIERS)).fetchone(),
            )
            also = " AND EXISTS (SELECT 1 FROM labelled AS also WHERE label = ? AND also.key = labelled.key)"
            rows = connection.execute(_LABELLED.format(also * (len(terms) - 1)), (terms[0], start, beyond, *terms[1:]))
            return Page([StoredObject(*row) for row in rows], revision)

    def count(self, prefix: str) -> int:
        """Return how many objects there are under `prefix`."""
        bounds = prefix_range(prefix, None)
        with self._file.reader() as connection:
            row = connection.execute("SELECT count(*) FROM objects WHERE key >= ? AND key < ?", bounds).fetchone()
        return int(row[0])

    def transact(self, changes: Sequence[Change]) -> Sequence[StoredObject]:
        """Do all of these writes or none."""
        outcome = self._commits.write(drafted(changes))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def events_after(self, prefix: str, revision: int, *, limit: int = 500) -> EventBatch:
        """Return what happened under `prefix` after `revision`.

        News come from memory if it reaches back that far; that there is none, the file itself says.
        """
        start, beyond = prefix_range(prefix)
        recent = self._tail.find(prefix, revision, limit=limit)
        if recent and recent[0]:
            return EventBatch(*recent)
        with self._file.snapshot() as connection:
            current, compacted = read_state(connection)
            if revision < compacted:
                raise RevisionExpired(revision, oldest=compacted)
            rows = connection.execute(_EVENTS, (revision, start, beyond, limit)).fetchall()
        events = [WatchEvent(*row) for row in rows]
        return EventBatch(events, events[-1].revision if len(events) == limit else max(current, revision))

    def wait(self, revision: int, seconds: float, prefix: str | None = None) -> int:
        """Sleep until there may be news under `prefix` after `revision`; return the store's revision."""
        return self._poller.wait(revision, seconds, prefix)

    def expire_events(self, keep_seconds: float) -> int:
        """Drop events older than that; return the oldest revision still to be asked for."""
        expired_at = self._clock() - keep_seconds
        while True:
            with self._file.transaction() as connection:
                compacted, is_done = sqlite_write.expire(connection, expired_at, limit=EXPIRE_EVENTS)
            self._tail.forget(compacted)
            if is_done:
                return compacted

    def probe(self) -> None:
        """Write a row and take it back, in one transaction."""
        with self._file.transaction() as connection:  # an UPDATE that changes nothing would write nothing
            connection.execute("INSERT INTO owned VALUES ('', '')")
            connection.execute("DELETE FROM owned WHERE owner = '' AND key = ''")

    def close(self) -> None:
        """Wake all waiters, end the polling thread and close the file. May be repeated."""
        self._poller.close()
        self._file.close()

    def _get(self, column: str, value: str) -> StoredObject:
        with self._file.reader() as connection:
            row = connection.execute(
                "SELECT objects.key, revision, json FROM objects JOIN history USING (revision)"
                f" WHERE objects.{column} = ?",
                (value,),
            ).fetchone()
        if row is None:
            raise KeyNotFound(value)
        return StoredObject(*row)

    def _commit(self, groups: Sequence[Group]) -> Sequence[Outcome]:
        try:
            with self._file.transaction() as connection:
                plan = sqlite_write.read_plan(connection, groups)
                outcomes = [plan.decide(group) for group in groups]
                sqlite_write.store(connection, plan, at=self._clock())
        except StorageUnavailable as error:
            # Each thread raises an exception of its own: a shared one would mix up their tracebacks.
            return [StorageUnavailable(str(error)) for _ in groups]
        self._tail.extend(plan.events, after=plan.first_revision)
        return outcomes

    def _read_foreign_writes(self) -> None:
        known = self._tail.last
        if self.revision() == known:
            return
        with self._file.snapshot() as connection:
            revision, compacted = read_state(connection)
            rows = connection.execute(_EVENTS, (known, *prefix_range("/"), TAIL_EVENTS)).fetchall()
        events = [WatchEvent(*row) for row in rows]
        # Too many, or some expired meanwhile: then the tail starts anew from the revision read. An expired event may be
        # there still, but what the object was before it is not.
        is_complete = known >= compacted and revision - known == len(events)
        self._tail.extend(events if is_complete else [], after=known if is_complete else revision)
