"""Reading DynamoDB's events, and telling those that have expired from those not visible yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
from chalicelib.storage.dynamodb.log import chain
from chalicelib.storage.dynamodb.table import Key, Table

SETTLED_SECONDS = 60.0  # a transaction is visible within milliseconds; the rest is for clocks that differ


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
