"""What registries are made of: the parts that all share, and the place where one keeps its objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from chalicelib.apimachinery.types import JSON
from chalicelib.registry import objects
from chalicelib.registry.keys import object_key, prefix
from chalicelib.registry.strategy import Strategy
from chalicelib.storage.base import Reader, Storage, StoredObject

WriteEvent = Literal["ADDED", "MODIFIED", "DELETED"]
AfterWrite = Callable[[str, JSON, WriteEvent], None]
# (resource, new object, what is stored, is a dry run)
Room = Callable[[str, JSON, Reader, bool], AbstractContextManager[None]]
BeforeRemoval = Callable[[str, JSON], None]  # (resource, object about to be taken out of the store)
Admit = Callable[
    [str, JSON, Reader], list[str]
]  # (resource, object changed in place, what is stored) -> warnings

RACE_ATTEMPTS = 20  # a patch, a delete or an unconditional update meets other writers at most this often


def _plenty(resource: str, obj: JSON, now: Reader, is_dry_run: bool) -> AbstractContextManager[None]:
    """Let every object in: for who keeps no quotas."""
    del resource, obj, now, is_dry_run
    return nullcontext()


def _tell_nobody(resource: str, obj: JSON) -> None:
    """Let every object go: for who keeps no record of them."""
    del resource, obj


@dataclass(frozen=True, slots=True)
class RegistryParts:
    """What all registries of one control plane share."""

    storage: Storage
    clock: Callable[[], datetime]
    new_uid: Callable[[], str]
    pick: Callable[[str], str]  # one character of a text, at random
    after_write: AfterWrite
    admit: Admit
    room: Room = _plenty
    before_removal: BeforeRemoval = _tell_nobody


class Place:
    """Where the objects of one resource are kept, and their shape there and outside."""

    def __init__(self, strategy: Strategy, parts: RegistryParts) -> None:
        self.strategy = strategy
        self.storage = parts.storage
        self._parts = parts
        self._kept_as = strategy.stored_as or strategy.resource

    def key(self, namespace: str | None, name: str) -> str:
        """Return the storage key of an object of this resource."""
        return object_key(self._kept_as, namespace if self.strategy.namespaced else None, name)

    def prefix(self, namespace: str | None) -> str:
        """Return the storage prefix of a list of this resource."""
        return prefix(self._kept_as, namespace if self.strategy.namespaced else None)

    def typed(self, stored: StoredObject) -> JSON:
        """Return the object with kind and apiVersion, decoded anew."""
        types = {"kind": self.strategy.kind, "apiVersion": self.strategy.api_version}
        return {**types, **self.strategy.from_stored(stored.object())}

    def as_seen(self, items: Iterable[StoredObject]) -> Iterator[StoredObject]:
        """Yield stored objects of another resource in the shape of this one, a view of it."""
        for item in items:
            yield objects.as_stored(item.key, self.strategy.from_stored(item.object()), item.revision)

    def siblings(self) -> Iterator[JSON]:
        """Yield every stored object of this resource, in all namespaces."""
        for item in self.storage.list(prefix(self.strategy.resource)).items:
            yield item.object()

    def _stored_form(self, stored: StoredObject) -> JSON:
        types = {"kind": self.strategy.kind, "apiVersion": self.strategy.api_version}
        return {**types, **stored.object()}

    def _remove(self, key: str, obj: JSON, *, expected_revision: int) -> StoredObject:
        self._parts.before_removal(self._kept_as, obj)
        return self.storage.delete(key, expected_revision=expected_revision)

    def _after(self, stored: StoredObject, event: WriteEvent) -> None:
        self._parts.after_write(self._kept_as, self._stored_form(stored), event)
