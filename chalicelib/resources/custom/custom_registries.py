"""CustomRegistries: the registries of custom resources, made of the definitions that are stored.

A definition's registries are kept until its revision changes, which is looked up at each request: another
process may have written it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

from chalicelib.apimachinery.accessors import status_of
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.parts import RegistryParts
from chalicelib.registry.registry import Registry
from chalicelib.resources.custom.customresourcedefinitions import DEFINITIONS
from chalicelib.resources.custom.customresources import CustomResourceStrategy
from chalicelib.storage.base import KeyNotFound, Storage, StoredObject
from chalicelib.storage.keys import object_key, prefix

MAX_KEPT = 500  # definitions whose registries are kept; then they are made anew


def is_established(definition: JSON) -> bool:
    """Return whether a definition's resource is served."""
    conditions = status_of(definition).get("conditions") or ()
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)


class CustomRegistries:
    """Finds the registry of a custom resource. Safe to call from many threads."""

    def __init__(self, storage: Storage, parts: RegistryParts) -> None:
        self._storage = storage
        self._parts = parts
        self._kept: dict[str, tuple[int, list[Registry]]] = {}
        self._lock = threading.Lock()

    def find(self, group: str, version: str, resource: str) -> Registry | None:
        """Return the registry of a resource in a version that is served, None if there is none."""
        if not group:
            return None
        try:
            stored = self._storage.get(object_key(DEFINITIONS, None, f"{resource}.{group}"))
        except KeyNotFound:
            return None
        return next((each for each in self._of(stored) if each.strategy.version == version), None)

    def stored_under(self, definition: str) -> Registry | None:
        """Return a registry of the resource of a definition, in whichever version."""
        try:
            stored = self._storage.get(object_key(DEFINITIONS, None, definition))
        except KeyNotFound:
            return None
        return next(iter(self._of(stored)), None)

    def all(self) -> list[Registry]:
        """Return the registries of all custom resources, a definition's storage version first."""
        items = self._storage.list(prefix(DEFINITIONS)).items
        return [registry for stored in items for registry in self._of(stored)]

    def mark(self) -> tuple[tuple[str, int], ...]:
        """Return what changes whenever a definition does."""
        return tuple((item.key, item.revision) for item in self._storage.list(prefix(DEFINITIONS)).items)

    def _of(self, stored: StoredObject) -> list[Registry]:
        kept = self._kept.get(stored.key)
        if kept is not None and kept[0] == stored.revision:
            return kept[1]
        made = [Registry(strategy, self._parts) for strategy in strategies_of(stored.object())]
        with self._lock:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[stored.key] = (stored.revision, made)
        return made


def strategies_of(definition: JSON) -> list[CustomResourceStrategy]:
    """Return a strategy per served version of an established definition, the preferred version first."""
    if not is_established(definition):
        return []
    served = [each for each in definition["spec"]["versions"] if each.get("served")]
    served.sort(key=lambda each: version_rank(each["name"]))
    return [CustomResourceStrategy(definition, each) for each in served]


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Return a key that sorts versions as Kubernetes prefers them: v2, v1, v1beta2, v1alpha1, others by name."""
    digits, _, rest = version.removeprefix("v").partition("beta" if "beta" in version else "alpha")
    stage = 1 if "beta" in version else 2 if "alpha" in version else 0
    if not version.startswith("v") or not digits.isdecimal() or not (rest or "0").isdecimal():
        return (3, 0, 0, version)
    return (stage, -int(digits), -int(rest or "0"), "")


class StoredResources:
    """The names under which resources are stored: the built-in ones and those of definitions, looked up anew."""

    def __init__(self, built_in: list[str], storage: Storage, *, namespaced_only: bool) -> None:
        self._built_in = built_in
        self._storage = storage
        self._namespaced_only = namespaced_only

    def __iter__(self) -> Iterator[str]:
        """Yield them."""
        yield from self._built_in
        for item in self._storage.list(prefix(DEFINITIONS)).items:
            definition = json.loads(item.json)
            if definition["spec"]["scope"] == "Namespaced" or not self._namespaced_only:
                yield definition["metadata"]["name"]
