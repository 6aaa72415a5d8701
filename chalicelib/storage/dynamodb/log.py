"""What can be concluded from DynamoDB's events, which a reader may see before or after their neighbours.

A transaction becomes visible item by item: while it is under way one read may see it and the next not
("Amazon DynamoDB transactions: how it works", isolation levels). So nothing here trusts that an event is
there because the revision says so. Each event names the one it follows, the store's row names the last,
and a chain without a missing link is complete whatever else is under way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chalicelib.storage.base import StoredObject
from chalicelib.storage.dynamodb.item import LoggedEvent, Mark
from chalicelib.storage.encoding import revision_of


def chain(
    events: Iterable[LoggedEvent], *, after: int, newest: Mark | None
) -> tuple[list[LoggedEvent], Mark | None]:
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


def rewind(
    objects: Sequence[StoredObject], events: Iterable[LoggedEvent], revision: int
) -> dict[str, StoredObject]:
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
