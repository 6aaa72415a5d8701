"""Stored objects, as controllers find, read and delete them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal, Protocol

from chalicelib.apimachinery.rules.status import not_found
from chalicelib.apimachinery.rules.time import format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.options import DeleteOptions
from chalicelib.registry.registry import Registries
from chalicelib.resources.custom.custom_registries import CustomRegistries
from chalicelib.storage.base import KeyNotFound, Reader, Storage, StoredObject
from chalicelib.storage.keys import object_key, prefix

ROOT_CA_CONFIGMAP = "kube-root-ca.crt"  # in each namespace


PAGE = 500  # objects read at once, which bounds the memory of a sweep

# Most pods of a large store have ended; decoding them all each time would cost the most by far.
ENDED_POD = re.compile(r'"phase":\s*"(?:Succeeded|Failed)"')
DELETING = '"deletionTimestamp"'


class Lookup(Protocol):
    """Read objects by name, or those of a namespace that mention something."""

    def now(self) -> Lookup:
        """Return a Lookup for one decision, which sees what is stored from now on."""
        ...

    def over(self, reader: Reader) -> Lookup:
        """Return a Lookup that sees what `reader` sees."""
        ...

    def find(self, resource: str, namespace: str, name: str) -> JSON | None:
        """Return the object, decoded anew; None if there is none."""
        ...

    def find_by_uid(self, uid: str) -> StoredObject | None:
        """Return the living object of that uid, as it is stored now; None if there is none."""
        ...

    def mentioning(self, resource: str, namespace: str, texts: Iterable[str]) -> list[JSON]:
        """Return the objects of a namespace whose JSON contains one of `texts` (and maybe others)."""
        ...


class StorageLookup:
    """A Lookup over a Storage."""

    def __init__(self, storage: Storage, *, reader: Reader | None = None) -> None:
        self._storage = storage
        self._reader = reader or storage

    def now(self) -> Lookup:
        """Return a Lookup over the storage's view of this moment."""
        return self.over(self._storage.view())

    def over(self, reader: Reader) -> Lookup:
        """Return a Lookup over that reader."""
        return StorageLookup(self._storage, reader=reader)

    def find(self, resource: str, namespace: str, name: str) -> JSON | None:
        """Return the object as stored."""
        try:
            return self._reader.get(object_key(resource, namespace, name)).object()
        except KeyNotFound:
            return None

    def find_by_uid(self, uid: str) -> StoredObject | None:
        """Ask the storage."""
        try:
            return self._storage.get_by_uid(uid)
        except KeyNotFound:
            return None

    def mentioning(self, resource: str, namespace: str, texts: Iterable[str]) -> list[JSON]:
        """Read the namespace's objects, decoding only those whose text contains one of `texts`."""
        wanted = tuple(texts)
        if not wanted:
            return []
        items = self._reader.list(prefix(resource, namespace)).items
        return [item.object() for item in items if any(text in item.json for text in wanted)]


def paged(storage: Storage, resource: str) -> Iterator[StoredObject]:
    """Yield the stored objects of a resource, reading a page at a time."""
    start_key: str | None = None
    while True:
        page = storage.list(prefix(resource), limit=PAGE, start_key=start_key)
        yield from page.items
        if page.next_key is None:
            return
        start_key = page.next_key


Propagation = Literal["Background", "Foreground", "Orphan"]


class DeleteObject(Protocol):
    """Deletes an object as a client would."""

    def __call__(
        self,
        resource: str,
        namespace: str,
        name: str,
        *,
        uid: str,
        revision: int = 0,
        propagation: Propagation = "Background",
    ) -> None:
        """Delete it if it still has that uid, and revision if given. Raises StatusError."""
        ...


class RegistryDeletes:
    """A DeleteObject over all registries. Custom resources are named as their definition is."""

    def __init__(self, registries: Registries, custom: CustomRegistries) -> None:
        stored = [each for each in registries.values() if not each.strategy.stored_as]  # no views of others
        self._registries = {each.strategy.resource: each for each in stored}
        self._custom = custom

    def __call__(
        self,
        resource: str,
        namespace: str,
        name: str,
        *,
        uid: str,
        revision: int = 0,
        propagation: Propagation = "Background",
    ) -> None:
        """Delete it. Raises StatusError (404 gone, 409 changed by now)."""
        is_custom = "." in resource
        registry = self._custom.stored_under(resource) if is_custom else self._registries[resource]
        if registry is None:
            raise not_found(resource, name)
        version = str(revision) if revision else ""
        registry.delete(
            namespace or None, name, DeleteOptions(uid=uid, resource_version=version, propagation=propagation)
        )


class ServedKinds:
    """The kinds that are served, the built-in ones and those of definitions."""

    def __init__(self, registries: Registries, custom: CustomRegistries) -> None:
        strategies = [each.strategy for each in registries.values()]
        self._built_in = {(each.api_version, each.kind): each.namespaced for each in strategies}
        self._custom = custom

    def is_namespaced(self, api_version: str, kind: str) -> bool | None:
        """Return whether objects of a kind live in namespaces, None for one that is not served in that version."""
        found = self._built_in.get((api_version, kind))
        if found is not None or "/" not in api_version:
            return found
        strategies = (each.strategy for each in self._custom.all())
        return next(
            (each.namespaced for each in strategies if (each.api_version, each.kind) == (api_version, kind)), None
        )


def with_condition(conditions: Iterable[JSON], wanted: JSON, now: datetime, *more_times: str) -> list[JSON]:
    """Return the conditions with this one; one whose status is there already stays as it is.

    It gets lastTransitionTime, and the times named in `more_times`.
    """
    made = {**wanted, **dict.fromkeys((*more_times, "lastTransitionTime"), format_time(now))}
    found = list(conditions)
    for index, each in enumerate(found):
        if each["type"] == wanted["type"]:
            if each["status"] != wanted["status"]:
                found[index] = made
            return found
    return [*found, made]
