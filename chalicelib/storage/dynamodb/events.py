"""Reading the log on DynamoDB, and what can be concluded from it: transactions become visible out of order.

A transaction becomes visible item by item: while it is under way one read may see it and the next not
("Amazon DynamoDB transactions: how it works", isolation levels). So nothing here trusts that an entry is
there because a later one is, or an object because its entry is. An entry says which revisions it has: entries
without a gap between them are complete whatever else is under way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from chalicelib.storage.base import StoredObject, WatchEvent
from chalicelib.storage.dynamodb.item import (
    BODY_PK,
    LOG_PK,
    SETTLED_SECONDS,
    Entry,
    Head,
    Item,
    Mark,
    body_sk,
    entry_of,
    revision_sk,
)
from chalicelib.storage.dynamodb.table import Key, Table
from chalicelib.storage.keys import revision_of

PAGE = 50  # entries of a request that may need few


def linked(entries: Iterable[Entry], *, after: int, until: Mark | None) -> tuple[Sequence[WatchEvent], Mark | None]:
    """Return the events after a revision up to the first gap, and the last event that is missing in it, if any.

    `entries` are in order, the first may begin before; the event `until` must be among them, if given.
    """
    events: list[WatchEvent] = []
    reached = after
    for entry in entries:
        if entry.first > reached + 1:
            return events, Mark(entry.first - 1, entry.at)
        events += [event for event in entry.events if event.revision > reached]
        reached = max(reached, entry.last)
    if until and until.revision > reached:
        return events, until
    return events, None


def rewind(objects: Sequence[StoredObject], events: Iterable[WatchEvent], revision: int) -> dict[str, StoredObject]:
    """Return the objects by key as they were at `revision`.

    Every event after `revision` must be in `events`. Those up to it are put in as well: an object read
    while its transaction was under way may lack them.
    """
    state = {stored.key: stored for stored in objects}
    is_undone: set[str] = set()
    for event in events:
        if event.revision <= revision:
            state.pop(event.key, None)
            if event.type != "DELETED":
                state[event.key] = StoredObject(event.key, event.revision, event.json)
        elif event.key not in is_undone:
            is_undone.add(event.key)
            state.pop(event.key, None)
            if event.previous_json is not None:
                before = event.previous_json
                state[event.key] = StoredObject(event.key, revision_of(before), before)
    return state


class EventLog:
    """The log in a table."""

    def __init__(self, table: Table, clock: Callable[[], float]) -> None:
        self._table = table
        self._clock = clock

    def read(self, *, after: int, until: Mark, limit: int | None = None) -> tuple[Sequence[WatchEvent], Mark | None]:
        """Return the events after a revision and up to an event, without a gap, and the first missing one, if any.

        With a `limit`, of entries, that many are read, and none is missing for being beyond them.
        """
        if until.revision <= after:
            return [], None
        entries = list(self._read(after, until.revision, limit))
        is_cut = limit is not None and len(entries) >= limit
        return linked(entries, after=after, until=None if is_cut else until)

    def is_settled(self, mark: Mark) -> bool:
        """Return whether an event is so old that its transaction is visible; if missing, it expired."""
        return self._clock() - mark.at > SETTLED_SECONDS

    def find_compacted(self, head: Head, expired_at: float) -> int:
        """Return up to which revision all events were written before `expired_at`."""
        compacted = head.compacted
        later = Item.sk > revision_sk(compacted)
        for item in self._table.query(LOG_PK, later, page=PAGE):
            if item.at >= expired_at:
                return compacted
            compacted = int(item.revision)
        return compacted

    def _read(self, after: int, until: int, limit: int | None) -> Iterator[Entry]:
        """Yield entries from the one with the revision that follows `after`."""
        next_sk = revision_sk(after + 1)
        found = self._table.query(LOG_PK, Item.sk.between(next_sk, revision_sk(until)), limit=limit)
        first = next(found, None)
        if first is not None:
            found = chain([first], found)
        if first is None or first.sk != next_sk:  # the entry with that revision begins before it
            around = self._table.last(LOG_PK, Item.sk < next_sk)
            found = chain([around] if around is not None and int(around.revision) > after else [], found)
        for item in found:
            keys = [Key(BODY_PK, body_sk(item.sk, number)) for number in range(int(item.bodies or 0))]
            bodies = [body for key in keys if (body := self._table.find(key)) is not None]
            if len(bodies) < len(keys):
                return  # not visible yet, or expired: it is missing as if the entry were
            yield entry_of(item, bodies)
