"""Lookup: the read-only view of the store that a pod's translation needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import KeyNotFound, Reader, Storage
from chalicelib.storage.keys import object_key, prefix

ROOT_CA_CONFIGMAP = "kube-root-ca.crt"  # in a real cluster a controller puts it in each namespace


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

    def mentioning(self, resource: str, namespace: str, texts: Iterable[str]) -> list[JSON]:
        """Return the objects of a namespace whose JSON contains one of `texts` (and maybe others)."""
        ...


class StorageLookup:
    """A Lookup over a Storage. `root_ca` is the content of kube-root-ca.crt in namespaces that store none."""

    def __init__(self, storage: Storage, *, root_ca: str = "", reader: Reader | None = None) -> None:
        self._storage = storage
        self._root_ca = root_ca
        self._reader = reader or storage

    def now(self) -> Lookup:
        """Return a Lookup over the storage's view of this moment."""
        return self.over(self._storage.view())

    def over(self, reader: Reader) -> Lookup:
        """Return a Lookup over that reader."""
        return StorageLookup(self._storage, root_ca=self._root_ca, reader=reader)

    def find(self, resource: str, namespace: str, name: str) -> JSON | None:
        """Return the object as stored, or the made-up ConfigMap of the cluster's certificate."""
        try:
            return self._reader.get(object_key(resource, namespace, name)).object()
        except KeyNotFound:
            if self._root_ca and (resource, name) == ("configmaps", ROOT_CA_CONFIGMAP):
                return {"metadata": {"name": name, "namespace": namespace}, "data": {"ca.crt": self._root_ca}}
            return None

    def mentioning(self, resource: str, namespace: str, texts: Iterable[str]) -> list[JSON]:
        """Read the namespace's objects, decoding only those whose text contains one of `texts`."""
        wanted = tuple(texts)
        if not wanted:
            return []
        items = self._reader.list(prefix(resource, namespace)).items
        return [item.object() for item in items if any(text in item.json for text in wanted)]
