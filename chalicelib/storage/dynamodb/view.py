"""Reads of DynamoDB that cost nothing where this process knows that nothing has changed.

The log's last entry names the last event of each resource. What was read after a resource's last event was known to be
at some revision, and was not newer, is still what is stored as long as the entry names that same event: one read
tells it of all that a decision needs, as an informer's cache does in a controller. Compare "Efficient detection of
changes" (kubernetes.io, API concepts, v1.36).

An entry may be visible before the object of the same transaction. So an object is kept if it is of the very event that
the entry names, or if that event is long settled.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from chalicelib.storage.base import KeyNotFound, Page, StoredObject
from chalicelib.storage.dynamodb.events import EventLog
from chalicelib.storage.dynamodb.item import Head, Mark, stored_object
from chalicelib.storage.dynamodb.list import Lister, Range
from chalicelib.storage.dynamodb.news import News, is_news
from chalicelib.storage.dynamodb.table import Table
from chalicelib.storage.dynamodb.write import object_item_key
from chalicelib.storage.keys import split_key, stored_metadata

KEPT_OBJECTS = 200
KEPT_CHARS = 32 * 1024  # larger ones are read each time: all that is kept is 6 MB at most


class Memory:
    """Objects, None for keys without one, each with the last event of its resource when it was read. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._kept: OrderedDict[str, tuple[int, StoredObject | None]] = OrderedDict()

    def find(self, key: str, newest: int) -> tuple[bool, StoredObject | None]:
        """Return whether it is known what is under `key`, and what, if `newest` is its resource's last event."""
        with self._guard:
            kept = self._kept.get(key)
            if kept is None or kept[0] != newest:
                return False, None
            self._kept.move_to_end(key)
            return True, kept[1]

    def keep(self, key: str, newest: int, found: StoredObject | None) -> None:
        """Keep what was read when `newest` was known to be that event."""
        with self._guard:
            self._kept.pop(key, None)
            self._kept[key] = (newest, found)
            if len(self._kept) > KEPT_OBJECTS:
                self._kept.popitem(last=False)


class DynamoView:
    """What is stored as of the moment when `head` was read, or later, read once each. See base.Reader.

    `seen` is what has been read already, by key, None where there was nothing.
    """

    def __init__(
        self,
        head: Head,
        seen: dict[str, StoredObject | None],
        *,
        table: Table,
        log: EventLog,
        memory: Memory,
        lister: Lister,
        news: News,
        get_by_uid: Callable[[str], StoredObject],
    ) -> None:
        self._head = head
        self._seen = seen
        self._get_by_uid = get_by_uid
        self._news = news
        self._table = table
        self._log = log
        self._memory = memory
        self._lister = lister

    def revision(self) -> int:
        """Return the revision of that moment."""
        return self._head.revision

    def get(self, key: str) -> StoredObject:
        """Return the object under `key`."""
        if is_news(key):
            return self._news.get(key)
        if key not in self._seen:
            newest = self._head.mark(split_key(key)[0])
            is_known, found = self._memory.find(key, newest.revision)
            if not is_known:
                item = self._table.find(object_item_key(key))
                found = stored_object(item) if item else None
                if self._may_keep(found, newest):
                    self._memory.keep(key, newest.revision, found)
            self._seen[key] = found
        if (seen := self._seen[key]) is None:
            raise KeyNotFound(key)
        return seen

    def get_by_uid(self, uid: str) -> StoredObject:
        """Return the living object with that uid."""
        for each in filter(None, self._seen.values()):
            if uid in each.json and stored_metadata(each.json)["uid"] == uid:
                return each
        found = self._get_by_uid(uid)
        self._seen[found.key] = found
        return found

    def list(self, prefix: str) -> Page:
        """Return all objects under `prefix`."""
        if is_news(prefix):
            return self._news.list(prefix, limit=None, start_key=None, revision=None)
        wanted = Range.of(prefix, None)
        return self._lister.kept(wanted, self._head) or self._lister.page(wanted, limit=None, revision=None)

    def _may_keep(self, found: StoredObject | None, newest: Mark) -> bool:
        if found is not None and len(found.json) > KEPT_CHARS:
            return False
        if found is not None and found.revision >= newest.revision:
            return found.revision == newest.revision
        return self._log.is_settled(newest)
