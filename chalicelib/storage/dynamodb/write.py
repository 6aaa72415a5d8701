"""From writes and what is stored to one transaction. Pure.

It is conditioned on the log having no entry after the one that was read, so no two writes take the same revision, and
on each object being as it was read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from chalicelib.storage.base import ObjectTooLarge, WatchEvent
from chalicelib.storage.dynamodb.item import (
    BODY_BYTES,
    BODY_PK,
    CHECKPOINT_SK,
    LOG_PK,
    OWNERS,
    STORE_PK,
    STORE_SK,
    UID_SK,
    Head,
    Item,
    Mark,
    fill,
    fill_entry,
    object_pk,
    owner_pk,
    pack,
    revision_sk,
    stored_object,
    uid_pk,
)
from chalicelib.storage.dynamodb.table import Key, Transaction
from chalicelib.storage.keys import restamp, split_key
from chalicelib.storage.write import Write

UID_BYTES = 36


@dataclass(frozen=True, slots=True)
class Before:
    """What is stored when writes are decided: where it stands, and of the items they need those that exist."""

    head: Head
    items: dict[Key, Item]

    def item(self, write: Write) -> Item | None:
        """Return the item under the write's key."""
        return self.items.get(object_item_key(write.key))

    def revision(self, write: Write) -> int | None:
        """Return the revision of the object under the write's key."""
        item = self.item(write)
        return int(item.revision) if item else None

    def uid(self, write: Write) -> str | None:
        """Return the uid of the object under the write's key."""
        item = self.item(write)
        return item.uid if item else None

    def json(self, write: Write) -> str | None:
        """Return the text of the object under the write's key."""
        item = self.item(write)
        return stored_object(item).json if item else None

    def is_uid_taken(self, write: Write) -> bool:
        """Return whether the uid of a new object belongs to another."""
        return write.draft is not None and write.type == "ADDED" and uid_key(write.draft.uid) in self.items


def object_item_key(key: str) -> Key:
    """Return the key of an object's item."""
    resource, sk = split_key(key)
    return Key(object_pk(resource), sk)


def uids_to_be_free(writes: Iterable[Write]) -> list[Key]:
    """Return the keys of the uids that new objects bring."""
    return [uid_key(write.draft.uid) for write in writes if write.draft and write.type == "ADDED"]


def uid_key(uid: str) -> Key:
    """Return the key of a uid's row."""
    return Key(uid_pk(uid), UID_SK)


def check_size(write: Write) -> None:
    """Raise ObjectTooLarge for what no item takes, or no transaction."""
    if not write.draft:
        return
    size_bytes = write.draft.size_bytes
    if size_bytes > BODY_BYTES:  # else it fits without compression
        size_bytes = len(pack(write.draft.at(10**19)))
    if size_bytes > BODY_BYTES:
        raise ObjectTooLarge(write.key, size_bytes=size_bytes, limit_bytes=BODY_BYTES)
    if len(write.draft.owners) > OWNERS:
        raise ObjectTooLarge(
            f"{write.key}, which names {len(write.draft.owners)} owners",
            size_bytes=sum(map(len, write.draft.owners)),
            limit_bytes=OWNERS * UID_BYTES,
        )


class Plan:
    """The transaction for writes that are not refused, and the events they make."""

    def __init__(
        self, items: type[Item], writes: Iterable[Write], before: Before, *, at: float, expires: datetime
    ) -> None:
        self.transaction = Transaction()
        self.events: list[WatchEvent] = []
        head = before.head
        newest = dict(head.newest)
        for write in writes:
            revision = head.revision + len(self.events) + 1
            part = _Part(items, write, before, revision=revision)
            newest[split_key(write.key)[0]] = Mark(revision, at)
            self.events.append(part.event)
            part.add_to(self.transaction)
        entry = items(LOG_PK, revision_sk(head.revision + 1), at=at, expires=expires, compacted=head.compacted)
        entry.revision = head.revision + len(self.events)
        absent = Item.pk.does_not_exist()
        for sk, packed in fill_entry(entry, newest, self.events):
            body = items(BODY_PK, sk, expires=expires)
            fill(body, packed)
            self.transaction.puts.append((body, absent))
        self.transaction.puts.append((entry, absent))
        if head.entry is None:
            self._begin_log(items, head, revision=entry.revision, at=at)

    def _begin_log(self, items: type[Item], head: Head, *, revision: int, at: float) -> None:
        """Leave what is found when the log has expired, and keep versions without a log from writing on."""
        self.transaction.puts.append((items(STORE_PK, CHECKPOINT_SK, revision=revision, at=at), None))
        if head.row is not None:
            same = Item.revision == head.row
            self.transaction.updates.append((items(STORE_PK, STORE_SK), [Item.newest.set(None)], same))


class _Part:
    """What one write adds to a transaction, and its event."""

    def __init__(self, items: type[Item], write: Write, before: Before, *, revision: int) -> None:
        self._items = items
        self._write = write
        self._item = before.item(write)
        self._resource, self._sk = split_key(write.key)
        previous = before.json(write)
        text = write.draft.at(revision) if write.draft else restamp(previous or "", revision)
        self.event = WatchEvent(write.type, write.key, revision, text, previous)

    def add_to(self, transaction: Transaction) -> None:
        """Add the items of this write."""
        self._add_object(transaction)
        draft = self._write.draft if self._write.type != "DELETED" else None
        after = set(draft.owners) if draft else set()
        before = set(self._item.owners) if self._item else set()
        for uid in sorted(before - after):
            transaction.deletes.append((self._items(owner_pk(uid), self._write.key), None))
        for uid in sorted(after - before):
            row = self._items(owner_pk(uid), self._write.key, key=self._write.key)
            transaction.puts.append((row, None))

    def _add_object(self, transaction: Transaction) -> None:
        row = self._items(object_pk(self._resource), self._sk)
        unchanged = Item.revision == self._write.expected_revision
        if self._write.type == "DELETED":
            uid = self._item.uid if self._item else None
            transaction.deletes += [(row, unchanged), (self._uid_row(uid), None)]
            return
        assert self._write.draft
        row.key, row.revision = self._write.key, self.event.revision
        row.uid, row.owners = self._write.draft.uid, list(self._write.draft.owners)
        fill(row, pack(self.event.json))
        if self._write.type == "MODIFIED":
            transaction.puts.append((row, unchanged))
        else:
            absent = Item.pk.does_not_exist()
            transaction.puts += [(row, absent), (self._uid_row(row.uid), absent)]

    def _uid_row(self, uid: str | None) -> Item:
        return self._items(*uid_key(uid or ""), key=self._write.key)
