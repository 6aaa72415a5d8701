"""Reads for one decision that cost nothing where this process knows that nothing has changed.

Every create asks for its namespace, limits, quotas and classes, which hardly ever change. What was read is kept with a
revision that it is as new as, and is still what is stored as long as no event of its resource has come after that.
Compare storage/dynamodb/view.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from chalicelib.storage.base import Page, StoredObject
from chalicelib.storage.keys import split_key
from chalicelib.storage.tail import Tail

KEPT = 500  # objects, and lists, of which no more than this many
KEPT_OBJECTS = 20  # of one list
KEPT_CHARS = 32 * 1024  # of one object

Found = TypeVar("Found")


class Memory(Generic[Found]):
    """What was found under keys or prefixes, each with a revision that it is as new as. Safe from many threads."""

    def __init__(self, tail: Tail) -> None:
        self._tail = tail
        self._guard = threading.Lock()
        self._kept: dict[str, tuple[int, Found]] = {}

    def find(self, name: str, revision: int) -> Found | None:
        """Return what is still stored at `revision`; None if that is not known."""
        at, found = self._kept.get(name, (0, None))
        return found if at and self._tail.is_unchanged(split_key(name)[0], at, until=revision) else None

    def keep(self, name: str, revision: int, found: Found) -> None:
        """Keep what was read no earlier than at `revision`."""
        with self._guard:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[name] = (revision, found)


class SqliteView:
    """What is stored at `revision`, or later. See base.Reader."""

    def __init__(
        self,
        revision: int,
        *,
        objects: Memory[StoredObject],
        lists: Memory[list[StoredObject]],
        get: Callable[[str], StoredObject],
        get_by_uid: Callable[[str], StoredObject],
        list_all: Callable[[str], Page],
    ) -> None:
        self._revision = revision
        self._objects = objects
        self._lists = lists
        self._get = get
        self._list = list_all
        self.get_by_uid = get_by_uid

    def revision(self) -> int:
        """Return the revision of the moment when the view was made."""
        return self._revision

    def get(self, key: str) -> StoredObject:
        """Return the object under `key`."""
        found = self._objects.find(key, self._revision)
        if found is None:
            found = self._get(key)
            if len(found.json) <= KEPT_CHARS:
                self._objects.keep(key, self._revision, found)
        return found

    def list(self, prefix: str) -> Page:
        """Return all objects under `prefix`."""
        kept = self._lists.find(prefix, self._revision)
        if kept is not None:
            return Page(list(kept), self._revision)
        page = self._list(prefix)
        if len(page.items) <= KEPT_OBJECTS and all(len(each.json) <= KEPT_CHARS for each in page.items):
            self._lists.keep(prefix, page.revision, list(page.items))
        return page
