"""From a write and what is stored to one transaction. Pure.

It is conditioned on the store's row being at the revision that was read. So no two writes take the same
revision, and what else was read (the object before, the newest event of the resource) still holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pynamodb.expressions.update import Action

from chalicelib.storage.base import ObjectTooLarge, WatchEvent
from chalicelib.storage.dynamodb_item import (
    BODY_BYTES,
    OWNERS,
    STORE_PK,
    STORE_SK,
    UID_SK,
    Head,
    Item,
    Mark,
    event_pk,
    fill,
    object_pk,
    owner_pk,
    packed_size,
    previous_pk,
    revision_sk,
    stored_object,
    uid_pk,
)
from chalicelib.storage.dynamodb_table import Key, Transaction
from chalicelib.storage.encoding import restamp
from chalicelib.storage.keyspace import split_key
from chalicelib.storage.write import Write

UID_BYTES = 36


@dataclass(frozen=True, slots=True)
class Before:
    """What is stored when a write is decided."""

    head: Head
    item: Item | None  # under the write's key
    is_uid_taken: bool = False

    @property
    def revision(self) -> int | None:
        """Return the revision of the object under the key."""
        return int(self.item.revision) if self.item else None

    @property
    def uid(self) -> str | None:
        """Return the uid of the object under the key."""
        return self.item.uid if self.item else None

    @property
    def json(self) -> str | None:
        """Return the text of the object under the key."""
        return stored_object(self.item).json if self.item else None


def keys_to_read(write: Write) -> tuple[Key, Key, Key | None]:
    """Return the keys of the store's row, of the object, and of the uid that must be free."""
    resource, sk = split_key(write.key)
    uid = uid_key(write.draft.uid) if write.draft and write.type == "ADDED" else None
    return Key(STORE_PK, STORE_SK), Key(object_pk(resource), sk), uid


def uid_key(uid: str) -> Key:
    """Return the key of a uid's row."""
    return Key(uid_pk(uid), UID_SK)


def check_size(write: Write) -> None:
    """Raise ObjectTooLarge for what no item takes, or no transaction."""
    if not write.draft:
        return
    size_bytes = write.draft.size_bytes
    if size_bytes > BODY_BYTES:  # else it fits without compression
        size_bytes = packed_size(write.draft.at(10**19))
    if size_bytes > BODY_BYTES:
        raise ObjectTooLarge(write.key, size_bytes=size_bytes, limit_bytes=BODY_BYTES)
    if len(write.draft.owners) > OWNERS:
        raise ObjectTooLarge(
            f"{write.key}, which names {len(write.draft.owners)} owners",
            size_bytes=sum(map(len, write.draft.owners)),
            limit_bytes=OWNERS * UID_BYTES,
        )


class Plan:
    """The transaction for a write that is not refused, the event it makes, and the store's row after it."""

    def __init__(
        self, items: type[Item], write: Write, before: Before, *, at: float, expires: datetime
    ) -> None:
        self._items = items
        self._write = write
        self._before = before
        self._resource, self._sk = split_key(write.key)
        self._expires = expires
        revision = before.head.revision + 1
        self._mark = Mark(revision, at)
        text = write.draft.at(revision) if write.draft else restamp(before.json or "", revision)
        self.event = WatchEvent(write.type, write.key, revision, text, before.json)
        self.transaction = Transaction()
        self._add_object()
        self._add_owners()
        self._add_event()
        self._add_head()

    def _add_object(self) -> None:
        row = self._items(object_pk(self._resource), self._sk)
        unchanged = Item.revision == self._write.expected_revision
        if self._write.type == "DELETED":
            self.transaction.deletes += [(row, unchanged), (self._uid_row(self._before.uid), None)]
            return
        assert self._write.draft
        row.key, row.revision = self._write.key, self._mark.revision
        row.uid, row.owners = self._write.draft.uid, list(self._write.draft.owners)
        fill(row, self.event.json)
        if self._write.type == "MODIFIED":
            self.transaction.puts.append((row, unchanged))
        else:
            absent = Item.pk.does_not_exist()
            self.transaction.puts += [(row, absent), (self._uid_row(row.uid), absent)]

    def _uid_row(self, uid: str | None) -> Item:
        return self._items(*uid_key(uid or ""), key=self._write.key)

    def _add_owners(self) -> None:
        draft = self._write.draft if self._write.type != "DELETED" else None
        after = set(draft.owners) if draft else set()
        before = set(self._before.item.owners) if self._before.item else set()
        for uid in sorted(before - after):
            self.transaction.deletes.append((self._items(owner_pk(uid), self._write.key), None))
        for uid in sorted(after - before):
            row = self._items(owner_pk(uid), self._write.key, key=self._write.key)
            self.transaction.puts.append((row, None))

    def _add_event(self) -> None:
        sk = revision_sk(self._mark.revision)
        row = self._items(event_pk(self._resource), sk, expires=self._expires, at=self._mark.at)
        row.type, row.key, row.revision = self.event.type, self.event.key, self._mark.revision
        follows = self._before.head.mark(self._resource)
        row.follows = [follows.revision, follows.at]
        self.transaction.puts.append((row, None))
        previous = self.event.previous_json
        texts = [self.event.json] if previous is None else [self.event.json, previous]
        if previous is not None and packed_size("\n".join(texts)) > BODY_BYTES:
            apart = self._items(previous_pk(self._resource), sk, expires=self._expires)
            fill(apart, texts.pop())
            row.has_previous_apart = True
            self.transaction.puts.append((apart, None))
        fill(row, *texts)

    def _add_head(self) -> None:
        head = self._before.head
        newest = {**head.newest, self._resource: self._mark}
        marks = {resource: [mark.revision, mark.at] for resource, mark in newest.items()}
        actions: list[Action] = [Item.revision.set(self._mark.revision), Item.newest.set(marks)]
        unchanged = Item.revision == head.revision if head.is_stored else Item.pk.does_not_exist()
        self.transaction.updates.append((self._items(STORE_PK, STORE_SK), actions, unchanged))
