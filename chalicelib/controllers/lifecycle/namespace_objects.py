"""What every namespace holds: the ServiceAccount `default`, and the ConfigMap with the certificate authority.

Both come with the namespace, in one transaction, and again when somebody deletes or changes them. Compare
kubernetes/pkg/controller/{serviceaccount/serviceaccounts_controller.go, certificates/rootcacertpublisher} (v1.36).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from chalicelib.apimachinery.accessors import is_deleting
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.runtime.objects import ROOT_CA_CONFIGMAP
from chalicelib.registry.options import WriteOptions
from chalicelib.registry.registry import Registries
from chalicelib.storage.base import Storage
from chalicelib.storage.keys import parse_key, prefix

MANAGER = WriteOptions(field_manager="sparkanywhere")


def namespace_objects(namespace: str, *, root_ca: str | None) -> Iterator[tuple[str, JSON]]:
    """Yield (resource, object) of what a namespace holds.

    `root_ca` is PEM, "" where clients need none of ours, None where no pods are to find it: a real server, too, has
    no such object unless controllers run beside it.
    """
    yield "serviceaccounts", {"metadata": {"name": "default", "namespace": namespace}}
    if root_ca is None:
        return
    annotations = {"kubernetes.io/description": "The certificate authority of this Kubernetes API."}
    metadata = {"name": ROOT_CA_CONFIGMAP, "namespace": namespace, "annotations": annotations}
    yield "configmaps", {"metadata": metadata, "data": {"ca.crt": root_ca} if root_ca else {}}


def new_namespace_objects(
    namespace: JSON, *, root_ca: str | None, new_uid: Callable[[], str]
) -> list[tuple[str, JSON]]:
    """Return (resource, object) to be stored with a new namespace, complete but for their revisions."""
    metadata = namespace["metadata"]
    found = list(namespace_objects(metadata["name"], root_ca=root_ca))
    for _, obj in found:
        obj["metadata"] |= {"uid": new_uid(), "creationTimestamp": metadata["creationTimestamp"]}
    return found


class NamespaceObjects:
    """Restores what every namespace holds. Safe to repeat."""

    def __init__(self, *, storage: Storage, registries: Registries, root_ca: str | None) -> None:
        self._storage = storage
        self._registries = registries
        self._root_ca = root_ca

    def changed(self, resource: str, obj: JSON) -> None:
        """Restore an object that was changed or deleted, if it is one of these."""
        namespace = obj["metadata"]["namespace"]
        for kind, wanted in namespace_objects(namespace, root_ca=self._root_ca):
            if (kind, wanted["metadata"]["name"]) == (resource, obj["metadata"]["name"]):
                self._keep(kind, wanted)

    def sweep(self) -> None:
        """Restore all that is missing: a store may be older than this controller, or the certificate new."""
        for item in self._storage.list(prefix("namespaces")).items:
            if not is_deleting(item.object()):
                for resource, wanted in namespace_objects(parse_key(item.key)[2], root_ca=self._root_ca):
                    self._keep(resource, wanted)

    def _keep(self, resource: str, wanted: JSON) -> None:
        registry, metadata = self._registries[("", resource)], wanted["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        try:
            registry.create_if_missing(namespace, wanted, MANAGER)
            found = registry.typed(registry.get(namespace, name))
            if "data" in wanted and (found.get("data") or {}) != wanted["data"]:
                registry.update(namespace, name, {**found, "data": wanted["data"]}, MANAGER)
        except StatusError as error:
            if error.code not in (403, 404, 409):  # the namespace goes or is full, or another writer was faster
                raise
