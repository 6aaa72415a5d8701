"""Storage in a DynamoDB table: what the serverless control plane uses.

Each write is one transaction of the object, its uid, its owners and an entry of the log (write.py). Reads are
consistent, but a transaction under way is seen item by item: what lists and watches conclude from that is in list.py
and events.py.

A write that is answered has happened. If the network fails on the way to DynamoDB, and botocore's repeated
attempts fail too, StorageUnavailable is raised although the write may have happened.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

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
from chalicelib.storage.dynamodb.events import EventLog
from chalicelib.storage.dynamodb.item import (
    CHECKPOINT_SK,
    LOG_PK,
    PROBE_SK,
    STORE_PK,
    Head,
    Item,
    Mark,
    owner_pk,
    stored_object,
)
from chalicelib.storage.dynamodb.list import READ_TRIES, Lister, Range, carriers
from chalicelib.storage.dynamodb.news import News, is_news
from chalicelib.storage.dynamodb.table import Backoff, Key, Table
from chalicelib.storage.dynamodb.view import DynamoView, Memory
from chalicelib.storage.dynamodb.write import Before, Plan, check_size, object_item_key, uid_key, uids_to_be_free
from chalicelib.storage.tail import TAIL_EVENTS, Poller, Tail
from chalicelib.storage.write import SingleWrites, Write, drafted, find_refusal

WRITE_TRIES = 50  # some five seconds: 200 writers at once need three, and Spark waits ten
WRITE_QUEUE_SECONDS = 4.0  # threads of one process write in turn; with WRITE_TRIES still under ten
FOREIGN_WRITES_SECONDS = 0.4  # a second is promised; each look costs one read unit
KEPT_KEYS = 1000
CHECKPOINT_SECONDS = 24 * 3600.0  # of rest; far above a write's time, far below an entry's
KEEP_EVENTS_SECONDS = 7 * 24 * 3600.0  # then DynamoDB deletes them; no living driver's watch is older


class DynamoStorage(SingleWrites):
    """Storage in one table. See base.Storage for what each method promises.

    `region` and `endpoint` default to botocore's own settings. Terraform makes the table (key pk and sk,
    both strings; TTL attribute `expires`; no index); create_table() does for tests and local use.
    """

    indexes_labels = False

    def __init__(
        self,
        table_name: str,
        *,
        region: str | None = None,
        endpoint: str | None = None,
        clock: Callable[[], float] = time.time,
        backoff: Backoff | None = None,
    ) -> None:
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._table = Table(table_name, region=region, endpoint=endpoint, backoff=self._backoff, clock=clock)
        self._log = EventLog(self._table, clock)
        self._lister = Lister(self._table, self._log, self._backoff)
        self._memory = Memory()
        self._news = News(self._table, clock, self._backoff)
        self._keys_by_uid: dict[str, str] = {}  # where objects were found by uid: a key never changes
        self._writing = threading.Lock()
        self._tail = Tail(0)
        self._poller = Poller(self._tail, self._read_foreign_writes, pause_seconds=FOREIGN_WRITES_SECONDS)

    @property
    def client(self) -> Any:
        """The botocore client, for event handlers; typed by botocore at run time only."""
        return self._table.client

    def create_table(self) -> None:
        """Create the table and wait until it can be used; leave an existing one alone."""
        self._table.create()

    def revision(self, prefix: str | None = None) -> int:
        """Return the store's current revision, or that of news."""
        return self._news.revision() if prefix and is_news(prefix) else self._table.head().revision

    def view(self, known: Iterable[StoredObject] = ()) -> Reader:
        """Return a reader that costs this one read, and no more for what has not changed."""
        return DynamoView(
            self._table.head(),
            {each.key: each for each in known},
            table=self._table,
            log=self._log,
            memory=self._memory,
            lister=self._lister,
            news=self._news,
            get_by_uid=self.get_by_uid,
        )

    def get(self, key: str) -> StoredObject:
        """Return the object under `key`."""
        return self._news.get(key) if is_news(key) else stored_object(self._get_item(key))

    def get_all(self, keys: Sequence[str]) -> dict[str, StoredObject]:
        """Return those of the objects that there are, by one request."""
        found = self._table.find_all(object_item_key(key) for key in keys).values()
        return {item.key: stored_object(item) for item in found if self._news.lives(item)}

    def get_by_uid(self, uid: str) -> StoredObject:
        """Return the living object with that uid: under the key where it was last, most often."""
        if key := self._keys_by_uid.get(uid):
            item = self._table.find(object_item_key(key))
            if item is not None and item.uid == uid:
                return stored_object(item)
        row = self._table.find(uid_key(uid))
        if row is None:
            raise KeyNotFound(uid)
        item = self._get_item(row.key)
        if item.uid != uid:  # deleted and made anew between the two reads
            raise KeyNotFound(uid)
        if len(self._keys_by_uid) >= KEPT_KEYS:
            self._keys_by_uid.clear()
        self._keys_by_uid[uid] = row.key
        return stored_object(item)

    def list_by_owner(self, uid: str) -> list[StoredObject]:
        """Return the living objects that name `uid` as an owner."""
        found = self._table.find_all(object_item_key(row.key) for row in self._table.query(owner_pk(uid)))
        return [stored_object(item) for item in found.values() if uid in item.owners]

    def list(
        self, prefix: str, *, limit: int | None = None, start_key: str | None = None, revision: int | None = None
    ) -> Page:
        """Return a page of objects, as they are or as they were at `revision`."""
        if is_news(prefix):
            return self._news.list(prefix, limit=limit, start_key=start_key, revision=revision)
        return self._lister.page(Range.of(prefix, start_key), limit=limit, revision=revision)

    def list_labelled(self, prefix: str, labels: Mapping[str, str]) -> Page:
        """Return what carries the labels, of all that is read: `indexes_labels` is False."""
        return carriers(self.list(prefix), labels)

    def count(self, prefix: str) -> int:
        """Return how many objects there are under `prefix`."""
        return len(self.list(prefix).items) if is_news(prefix) else self._lister.count(Range.of(prefix, None))

    def transact(self, changes: Sequence[Change]) -> Sequence[StoredObject]:
        """Do all of these writes or none."""
        writes = drafted(changes)
        for write in writes:
            check_size(write)
        news = {write.key: self._news.write(write) for write in writes if is_news(write.key)}
        written = {each.key: each for each in self._transact([write for write in writes if write.key not in news])}
        return [news.get(write.key) or written[write.key] for write in writes]

    def _transact(self, writes: Sequence[Write]) -> Sequence[StoredObject]:
        if not writes:
            return ()
        # The threads of one process would only make each other lose: they take turns.
        if not self._writing.acquire(timeout=WRITE_QUEUE_SECONDS):
            raise StorageUnavailable("too many writes wait in this process: try again")
        try:
            why = ""
            for attempt in self._backoff.tries(WRITE_TRIES):
                events, why = self._try_write(writes, is_first=attempt == 0)
                if events:
                    return [StoredObject(event.key, event.revision, event.json) for event in events]
            raise StorageUnavailable(f"{why}: try again")
        finally:
            self._writing.release()

    def events_after(self, prefix: str, revision: int, *, limit: int = 500) -> EventBatch:
        """Return what happened under `prefix` after `revision`.

        News come from memory if it reaches back that far; that there is none, the table itself says.
        """
        if is_news(prefix):
            return self._news.events_after(prefix, revision, limit=limit)
        resource = Range.of(prefix, None).resource
        recent = self._tail.find(prefix, revision, limit=limit)
        if recent and recent[0]:
            return EventBatch(*recent)
        for _ in self._backoff.tries(READ_TRIES):
            batch = self._find_events(resource, prefix, revision, limit=limit)
            if batch:
                return batch
        raise StorageUnavailable(f"an event of {resource} after {revision} is not visible yet: try again")

    def wait(self, revision: int, seconds: float, prefix: str | None = None) -> int:
        """Sleep until there may be news under `prefix` after `revision`; return the store's revision."""
        if prefix and is_news(prefix):
            return self._news.wait(revision, seconds)
        return self._poller.wait(revision, seconds, prefix)

    def expire_events(self, keep_seconds: float) -> int:
        """Forget events older than that; return the oldest revision still to be asked for.

        They are no longer given out. DynamoDB deletes them by itself, free of charge, when they are
        KEEP_EVENTS_SECONDS old.
        """
        for _ in self._backoff.tries(READ_TRIES):
            head = self._table.head()
            compacted = self._log.find_compacted(head, self._clock() - keep_seconds)
            if head.entry is None or compacted <= head.compacted:
                self._keep_checkpoint(head)
                self._tail.forget(head.compacted)
                return head.compacted
            entry = self._table.items(LOG_PK, head.entry)
            self._table.update(entry, [Item.compacted.set(compacted)], Item.compacted < compacted)
        raise StorageUnavailable("the log went on while events expired: try again")

    def _keep_checkpoint(self, head: Head) -> None:
        """Note where a store stands that has not been written to for a day: its last entry will expire."""
        if head.entry is None or self._clock() - head.at < CHECKPOINT_SECONDS:
            return
        row = self._table.find(Key(STORE_PK, CHECKPOINT_SK))
        if row is None or int(row.revision) < head.revision:
            checkpoint = self._table.items(STORE_PK, CHECKPOINT_SK, revision=head.revision, at=self._clock())
            self._table.put(checkpoint, Item.pk.does_not_exist() | (Item.revision < head.revision))

    def probe(self) -> None:
        """Write into a row beside the store's own, with which nobody competes."""
        self._table.update(self._table.items(STORE_PK, PROBE_SK), [Item.compacted.set(0)])

    def close(self) -> None:
        """Wake all waiters and end the polling thread. May be repeated."""
        self._news.close()
        self._poller.close()

    def _get_item(self, key: str) -> Item:
        item = self._table.find(object_item_key(key))
        if item is None:
            raise KeyNotFound(key)
        return item

    def _try_write(self, writes: Sequence[Write], *, is_first: bool) -> tuple[Sequence[WatchEvent], str]:
        """Return the events of the writes; or none, and why they are worth another try.

        Where all that is written is new, the first try reads nothing of it: hardly ever is something there, and the
        transaction's conditions find out.
        """
        keys: list[Key] = []
        if not is_first or any(write.type != "ADDED" for write in writes):
            keys = [*(object_item_key(write.key) for write in writes), *uids_to_be_free(writes)]
        found = self._table.find_all(keys)
        before = Before(self._table.head(), found)
        for write in writes:
            refusal = find_refusal(
                write, revision=before.revision(write), uid=before.uid(write), is_uid_taken=before.is_uid_taken(write)
            )
            if refusal:
                raise refusal
        now = self._clock()
        expires = datetime.fromtimestamp(now + KEEP_EVENTS_SECONDS, UTC)
        plan = Plan(self._table.items, writes, before, at=now, expires=expires)
        why = self._table.transact(plan.transaction, token=f"{random.getrandbits(128):032x}")
        if why:
            return [], why
        self._tail.extend(plan.events, after=before.head.revision)
        return plan.events, ""

    def _find_events(self, resource: str, prefix: str, revision: int, *, limit: int) -> EventBatch | None:
        """Return a batch; None if the next event is not visible yet."""
        head = self._table.head()
        if revision < head.compacted:
            raise RevisionExpired(revision, oldest=head.compacted)
        newest = head.mark(resource)
        if newest.revision <= revision:
            return EventBatch([], max(head.revision, revision))
        linked, missing = self._log.read(after=revision, until=newest, limit=limit)
        if not linked and missing:
            if self._log.is_settled(missing):
                raise RevisionExpired(revision, oldest=missing.revision)
            return None
        events, last = [event for event in linked if event.key.startswith(prefix)], linked[-1].revision
        if len(events) > limit:
            return EventBatch(events[:limit], events[limit - 1].revision)
        return EventBatch(events, last if last < newest.revision else max(last, head.revision))

    def _read_foreign_writes(self) -> None:
        head, known = self._table.head(), self._tail.last
        if head.revision <= known:
            return
        newest = Mark(head.revision, head.at)
        # A process that has just begun, or slept for long, needs no past.
        if known and head.revision - known <= TAIL_EVENTS:
            events, missing = self._log.read(after=known, until=newest)
            if missing is None:
                self._tail.extend(events, after=known)
                return
        self._tail.extend([], after=head.revision)
