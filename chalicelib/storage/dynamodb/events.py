"""Reading DynamoDB's events, and what can be concluded from them: they become visible out of order.

A transaction becomes visible item by item: while it is under way one read may see it and the next not
("Amazon DynamoDB transactions: how it works", isolation levels). So nothing here trusts that an event is
there because the revision says so. Each event names the one it follows, the store's row names the last,
and a chain without a missing link is complete whatever else is under way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from chalicelib.storage.base import StoredObject
from chalicelib.storage.dynamodb.item import (
    Head,
    Item,
    LoggedEvent,
    Mark,
    event_pk,
    logged_event,
    previous_pk,
    revision_sk,
)
from chalicelib.storage.dynamodb.table import Key, Table
from chalicelib.storage.keys import revision_of

SETTLED_SECONDS = 60.0  # a transaction is visible within milliseconds; the rest is for clocks that differ


def chain(events: Iterable[LoggedEvent], *, after: int, newest: Mark | None) -> tuple[list[LoggedEvent], Mark | None]:
    """Return the events that follow each other without a gap, and the first one missing, if any.

    `events` are of one resource, in order and after revision `after`; `newest` must be among them or
    before, if given.
    """
    linked: list[LoggedEvent] = []
    reached = after
    for event in events:
        if event.follows.revision > reached:
            return linked, event.follows
        linked.append(event)
        reached = event.revision
    if newest and newest.revision > reached:
        return linked, newest
    return linked, None


def rewind(objects: Sequence[StoredObject], events: Iterable[LoggedEvent], revision: int) -> dict[str, StoredObject]:
    """Return the objects by key as they were at `revision`.

    Every event after `revision` must be in `events`. Those up to it are put in as well: an object read
    while its transaction was under way may lack them.
    """
    state = {stored.key: stored for stored in objects}
    is_undone: set[str] = set()
    for logged in events:
        event = logged.event
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
    """The events in a table, by resource."""

    def __init__(self, table: Table, clock: Callable[[], float]) -> None:
        self._table = table
        self._clock = clock

    def read(
        self, resource: str, *, after: int, newest: Mark, limit: int | None = None
    ) -> tuple[list[LoggedEvent], Mark | None]:
        """Return a resource's events after a revision without a gap, and the first missing one, if any.

        With a `limit`, that many are read, and none is missing for being beyond them.
        """
        events = list(self._read(resource, after, limit))
        is_cut = limit is not None and len(events) == limit
        return chain(events, after=after, newest=None if is_cut else newest)

    def is_settled(self, mark: Mark) -> bool:
        """Return whether an event is so old that its transaction is visible; if missing, it expired."""
        return self._clock() - mark.at > SETTLED_SECONDS

    def find_compacted(self, head: Head, expired_at: float) -> int:
        """Return up to which revision all events were written before `expired_at`."""
        compacted = head.revision
        later = Item.sk > revision_sk(head.compacted)
        for resource in head.newest:
            if head.mark(resource).at < expired_at:
                continue
            events = self._table.query(event_pk(resource), later, attributes=["revision", "at"])
            kept = (int(item.revision) for item in events if item.at >= expired_at)
            compacted = min(compacted, next(kept, compacted + 1) - 1)
        return compacted

    def _read(self, resource: str, after: int, limit: int | None) -> Iterator[LoggedEvent]:
        later = Item.sk > revision_sk(after)
        for item in self._table.query(event_pk(resource), later, limit=limit):
            previous = None
            if item.has_previous_apart:
                previous = self._table.find(Key(previous_pk(resource), item.sk))
                if previous is None:
                    return  # not visible yet, or expired: for the chain the event itself is missing
            yield logged_event(item, previous)
