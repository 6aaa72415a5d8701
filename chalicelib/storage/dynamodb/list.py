"""Lists from DynamoDB that belong to one revision, though they are read page by page.

A list reads the log's last entry, then objects, then the last entry again and the events around the two. Objects
changed in between, or still becoming visible, are put right from the events, so a busy store costs a list
some events more and no second attempt. Only where an event itself is not visible yet is all read again.

One thing is let be: an object whose deletion is visible before its revision may be missing from a list
just before it. Its DELETED event follows, and a client that does not know the object ignores it.

Short lists are kept in memory (quotas, limits, classes: every create asks for them). The last entry names the last
event of each resource, so one read of it tells whether such a list is still what it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pynamodb.expressions.condition import Condition

from chalicelib.storage.base import Page, RevisionExpired, StorageUnavailable, StoredObject, WatchEvent
from chalicelib.storage.dynamodb.events import EventLog, rewind
from chalicelib.storage.dynamodb.item import Head, Item, object_pk, stored_object
from chalicelib.storage.dynamodb.table import Backoff, Table
from chalicelib.storage.keys import prefix_range, split_key, stored_metadata

OBJECT_ATTRIBUTES = ("key", "revision", "text", "packed")  # what a list shows: the rest costs only time
READ_TRIES = 10  # about a second; a transaction under way ends within milliseconds
# How many later writes may pass one whose object is not visible yet. Each transaction, of up to ten, began after the
# entry of the one before was seen: four full ones take longer than any is half visible.
SETTLING_REVISIONS = 40
KEPT_OBJECTS = 20  # of one list
KEPT_LISTS = 500  # of one process: some ten for each namespace


@dataclass(frozen=True, slots=True)
class Range:
    """Keys of one resource, from `start` to before `beyond`."""

    resource: str
    start: str
    beyond: str

    @classmethod
    def of(cls, prefix: str, start_key: str | None) -> Range:
        """Return the range of a prefix, from `start_key` on if given."""
        start, beyond = prefix_range(prefix, start_key)
        return cls(split_key(prefix)[0], start, beyond)


class Lister:
    """Lists objects as of one revision."""

    def __init__(self, table: Table, log: EventLog, backoff: Backoff) -> None:
        self._table = table
        self._log = log
        self._backoff = backoff
        self._kept: dict[Range, tuple[int, list[StoredObject]]] = {}  # (last event of the resource, objects)

    def page(self, wanted: Range, *, limit: int | None, revision: int | None) -> Page:
        """Return a page, as Storage.list says."""
        for _ in self._backoff.tries(READ_TRIES):
            head = self._table.head()
            at = head.revision if revision is None else min(revision, head.revision)
            newest = head.mark(wanted.resource).revision
            known = self.kept(wanted, head) if newest <= at else None
            if known:
                return _page(known.items, at, limit=limit)
            state = self._read_state(wanted, at, head, limit=limit)
            if state is not None:
                if newest <= at and not limit:
                    self._keep(wanted, newest, state)
                return _page(state, at, limit=limit)
        raise StorageUnavailable(f"{wanted.resource} kept changing while they were listed: try again")

    def kept(self, wanted: Range, head: Head) -> Page | None:
        """Return all objects as of `head`, if they are in memory."""
        kept = self._kept.get(wanted)
        if kept and kept[0] == head.mark(wanted.resource).revision:
            return Page(list(kept[1]), head.revision)
        return None

    def _keep(self, wanted: Range, newest: int, state: list[StoredObject]) -> None:
        if len(state) > KEPT_OBJECTS:
            self._kept.pop(wanted, None)
            return
        if len(self._kept) >= KEPT_LISTS:
            self._kept.clear()
        self._kept[wanted] = (newest, list(state))

    def count(self, wanted: Range) -> int:
        """Return how many objects there are now."""
        return self._table.count(object_pk(wanted.resource), condition_of(wanted))

    def _read_state(self, wanted: Range, at: int, head: Head, *, limit: int | None) -> list[StoredObject] | None:
        """Return the objects at a revision, in order, more than `limit` if there are.

        None if some event or revision is not visible yet.
        """
        count = limit + 1 if limit else None
        while True:
            objects: list[StoredObject] = []
            if wanted.start < wanted.beyond:
                pk, condition = object_pk(wanted.resource), condition_of(wanted)
                read = self._table.query(pk, condition, limit=count, attributes=OBJECT_ATTRIBUTES)
                objects = [stored_object(item) for item in read]
            events = self._read_events(wanted.resource, at, head)
            if events is None:
                return None
            is_whole = count is None or len(objects) < count
            # An undone deletion is known only within the keys that were read.
            beyond = wanted.beyond if is_whole else objects[-1].key + "\0"
            state = rewind(objects, events, at)
            inside = [state[key] for key in sorted(state) if wanted.start <= key < beyond]
            if any(stored.revision > at for stored in inside):
                return None
            if is_whole or limit is None or len(inside) > limit:
                return inside
            count = 2 * len(objects)  # much is new since then: read on

    def _read_events(self, resource: str, at: int, head: Head) -> Sequence[WatchEvent] | None:
        """Return what must be put in or undone for the state at a revision; None if not visible yet."""
        now = self._table.head()
        if at < now.compacted:
            raise RevisionExpired(at, oldest=now.compacted)
        newest = now.mark(resource)
        after = at
        if not self._log.is_settled(newest):
            after = max(now.compacted, min(at, head.revision - SETTLING_REVISIONS))
        while newest.revision > after:
            events, missing = self._log.read(after=after, until=newest)
            if missing is None:
                return [event for event in events if split_key(event.key)[0] == resource]
            if not self._log.is_settled(missing):
                return None
            if missing.revision > at:
                raise RevisionExpired(at, oldest=missing.revision)
            after = missing.revision  # it expired: long settled, and no part of what must be undone
        return []


def condition_of(wanted: Range) -> Condition | None:
    """Return the range of sk; a namespace's ends before the character that follows a slash."""
    start = split_key(wanted.start)[1]
    _, beyond = split_key(wanted.beyond) if wanted.beyond.count("/") > 2 else ("", "")
    if beyond:
        return Item.sk.between(start, beyond)
    return Item.sk >= start if start else None


def carriers(page: Page, labels: Mapping[str, str]) -> Page:
    """Return the page without the objects that lack one of the labels."""
    wanted = labels.items()
    found = [each for each in page.items if wanted <= (stored_metadata(each.json).get("labels") or {}).items()]
    return Page(found, page.revision)


def _page(state: list[StoredObject], revision: int, *, limit: int | None) -> Page:
    if not limit or len(state) <= limit:
        return Page(state, revision)
    return Page(state[:limit], revision, next_key=state[limit].key, remaining=None)
