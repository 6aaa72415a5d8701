"""Namespaces on their way out: emptied, then removed. Compare kubernetes/pkg/controller/namespace (v1.36)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from chalicelib.apimachinery.accessors import is_deleting, spec_of
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.runtime.objects import DELETING, DeleteObject
from chalicelib.storage.base import KeyNotFound, RevisionConflict, Storage, StoredObject
from chalicelib.storage.keys import object_key, parse_key, prefix

LOG = logging.getLogger(__name__)

FINALIZER = "kubernetes"  # in spec.finalizers, as a real server sets it


class NamespaceEmptier:
    """Deletes what is in a deleting namespace; the last object to go takes the namespace with it."""

    def __init__(
        self, *, storage: Storage, resources: Iterable[str], delete: DeleteObject, removed: Callable[[str, JSON], None]
    ) -> None:
        self._storage = storage
        self._resources = resources
        self._delete = delete
        self._removed = removed
        self._guard = threading.Lock()
        self._emptying: set[str] = set()  # names; rebuilt by sweep()

    def is_emptying(self, namespace: str) -> bool:
        """Return whether an object that went from there may have been the last."""
        return namespace in self._emptying

    def empty(self, name: str) -> None:
        """Delete what is in the namespace; remove it if nothing is left. Repeatable."""
        try:
            namespace = self._storage.get(object_key("namespaces", None, name)).object()
        except KeyNotFound:
            self._forget(name)
            return
        if not is_deleting(namespace):
            self._forget(name)
            return
        with self._guard:
            self._emptying.add(name)
        for resource in self._resources:
            for item in self._storage.list(prefix(resource, name)).items:
                if not is_deleting(item.object()):
                    self._delete_one(item)
        if not any(self._storage.list(prefix(each, name), limit=1).items for each in self._resources):
            self._remove(name)

    def sweep(self) -> None:
        """Go on with every namespace that is on its way out."""
        for item in self._storage.list(prefix("namespaces")).items:
            if DELETING in item.json:
                self.empty(parse_key(item.key)[2])

    def _delete_one(self, item: StoredObject) -> None:
        resource, namespace, name = parse_key(item.key)
        try:
            self._delete(resource, namespace, name, uid=item.object()["metadata"]["uid"])
        except StatusError as error:
            if error.code not in (404, 409):
                LOG.warning("namespace=%s keeps %s/%s message=%s", namespace, resource, name, error.message)

    def _remove(self, name: str) -> None:
        """Take the namespace out of the store; other finalizers than ours still hold it."""
        key = object_key("namespaces", None, name)
        try:
            stored = self._storage.get(key)
            namespace = stored.object()
            spec = spec_of(namespace)
            others = [each for each in spec.get("finalizers") or () if each != FINALIZER]
            if others or namespace["metadata"].get("finalizers") or not is_deleting(namespace):
                return
            last = {**namespace, "spec": {key: value for key, value in spec.items() if key != "finalizers"}}
            gone = self._storage.delete(key, expected_revision=stored.revision, last=last)
        except KeyNotFound:
            self._forget(name)
            return
        except RevisionConflict:
            return  # written meanwhile: that write, or the next sweep, comes back here
        self._forget(name)
        self._removed("namespaces", gone.object())

    def _forget(self, name: str) -> None:
        with self._guard:
            self._emptying.discard(name)
