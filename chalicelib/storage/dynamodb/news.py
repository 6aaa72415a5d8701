"""News: objects that tell what happened, each a single write of one item, outside of the store's one order.

A transaction costs twice as much, an entry of the log as much again, and all transactions meet at the log's end.
As a real cluster's Events may be kept in an etcd of their own (kube-apiserver, `--etcd-servers-overrides`), so are
base.NEWS here. Revisions are times, with some bits of chance to tell apart what was written in the same millisecond;
those of one object grow. base.Storage says what is promised.

A watch hears of what is LAG_SECONDS old: until then something older may become visible. What took longer to write, or
was written by a clock that is further behind, is in lists alone.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from pynamodb.expressions.condition import Condition

from chalicelib.storage.base import EventBatch, KeyNotFound, Page, StorageUnavailable, StoredObject, WatchEvent
from chalicelib.storage.dynamodb.item import Item, fill, object_pk, owner_pk, pack, stored_object
from chalicelib.storage.dynamodb.list import Range, condition_of
from chalicelib.storage.dynamodb.table import Backoff, Key, Table
from chalicelib.storage.dynamodb.write import object_item_key, uid_key
from chalicelib.storage.keys import NEWS, restamp, split_key
from chalicelib.storage.write import Write, find_refusal

LAG_SECONDS = 2.0
CHANCE_BITS = 12
WRITE_TRIES = 10  # only those of the same object meet
POLL_SECONDS = 1.0  # each look of a watch reads all that lies under its prefix


def is_news(key: str) -> bool:
    """Return whether what lies under a key or prefix is news."""
    return key.removeprefix("/registry/").partition("/")[0] in NEWS


class News:
    """The news of one table. Safe to call from many threads."""

    def __init__(self, table: Table, clock: Callable[[], float], backoff: Backoff) -> None:
        self._table = table
        self._backoff = backoff
        self._clock = clock
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._last = 0

    def revision(self) -> int:
        """Return the revision of what is written now, but for chance."""
        return self._at(self._clock())

    def get(self, key: str) -> StoredObject:
        """Return the object under `key`. Raises KeyNotFound."""
        item = self._find(key)
        if item is None:
            raise KeyNotFound(key)
        return stored_object(item)

    def list(self, prefix: str, *, limit: int | None, start_key: str | None, revision: int | None) -> Page:
        """Return the objects as they are, whatever `revision` is; a watch from the page's misses nothing."""
        wanted = Range.of(prefix, start_key)
        found = [stored_object(item) for item in self._living(wanted)]
        at = revision or self._at(self._clock() - LAG_SECONDS)
        if not limit or len(found) <= limit:
            return Page(found, at)
        return Page(found[:limit], at, next_key=found[limit].key, remaining=None)

    def events_after(self, prefix: str, revision: int, *, limit: int) -> EventBatch:
        """Return what was written after `revision`, as it is now; of removals nothing."""
        horizon = self._at(self._clock() - LAG_SECONDS)
        news = [each for each in self._living(Range.of(prefix, None)) if revision < each.revision <= horizon]
        news.sort(key=lambda each: int(each.revision))
        events = []
        for item in news[:limit]:
            stored = stored_object(item)
            if int(item.made or 0) > revision:
                events.append(WatchEvent("ADDED", stored.key, stored.revision, stored.json, None))
            else:  # what it was before is not kept: whoever selects it now is taken to have selected it then
                events.append(WatchEvent("MODIFIED", stored.key, stored.revision, stored.json, stored.json))
        return EventBatch(events, events[-1].revision if len(news) > limit else max(revision, horizon))

    def wait(self, revision: int, seconds: float) -> int:
        """Return after a while, in which there may have been news."""
        self._closed.wait(min(seconds, POLL_SECONDS))
        return revision + 1

    def write(self, write: Write) -> StoredObject:
        """Do one write; return what it returns. Raises KeyExists, KeyNotFound, RevisionConflict, ValueError."""
        item = None if write.type == "ADDED" else self._find(write.key)
        for _ in self._backoff.tries(WRITE_TRIES):
            refusal = find_refusal(
                write, revision=int(item.revision) if item else None, uid=item.uid if item else None, is_uid_taken=False
            )
            if refusal:
                raise refusal
            written = self._try_write(write, item)
            if written:
                return written
            item = self._find(write.key)  # another writer was faster: what is there now says who is refused
        raise StorageUnavailable(f"{write.key} kept changing while it was written: try again")

    def close(self) -> None:
        """Wake all waiters."""
        self._closed.set()

    def _try_write(self, write: Write, item: Item | None) -> StoredObject | None:
        """Return what was written; None if what is stored is not `item` any more."""
        now = self._clock()
        with self._lock:  # a process's own grow, however fast it writes
            revision = max(self._at(now) + random.getrandbits(CHANCE_BITS), self._last + 1)
            if item is not None:
                revision = max(revision, int(item.revision) + 1)
            self._last = revision
        resource, sk = split_key(write.key)
        row = self._table.items(object_pk(resource), sk)
        unchanged = Item.revision == write.expected_revision
        text = write.draft.at(revision) if write.draft else restamp(stored_object(item).json if item else "", revision)
        if write.type == "DELETED":
            is_done = self._table.delete(row, unchanged)
        else:
            assert write.draft
            row.key, row.revision, row.uid, row.owners = write.key, revision, write.draft.uid, []
            row.made = revision if item is None else item.made or item.revision
            keep_seconds = NEWS[resource]
            if keep_seconds is not None:
                row.expires = datetime.fromtimestamp(now + keep_seconds, UTC)
            fill(row, pack(text))
            absent: Condition = Item.pk.does_not_exist() | (Item.expires <= datetime.fromtimestamp(now, UTC))
            is_done = self._table.put(row, absent if write.type == "ADDED" else unchanged)
        if is_done and item is not None and item.made is None:
            self._remove_rows(item)
        return StoredObject(write.key, revision, text) if is_done else None

    def _remove_rows(self, item: Item) -> None:
        """Remove what an earlier version has written beside: news of now need neither a uid's row nor owners'."""
        for key in (uid_key(item.uid), *(Key(owner_pk(uid), item.key) for uid in item.owners or ())):
            self._table.delete(self._table.items(*key), Item.key == item.key)

    def _find(self, key: str) -> Item | None:
        item = self._table.find(object_item_key(key))
        return item if item is not None and self.lives(item) else None

    def _living(self, wanted: Range) -> Sequence[Item]:
        if wanted.start >= wanted.beyond:
            return []
        found = self._table.query(object_pk(wanted.resource), condition_of(wanted))
        return [item for item in found if self.lives(item)]

    def lives(self, item: Item) -> bool:
        """Return whether an item has not expired: DynamoDB removes it some days later."""
        return item.expires is None or item.expires.timestamp() > self._clock()

    def _at(self, seconds: float) -> int:
        return int(seconds * 1000) << CHANCE_BITS
