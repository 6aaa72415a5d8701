"""Claims and volumes: bound by the first pod that mounts them, kept while they are in use.

Compare kubernetes/pkg/controller/volume/{persistentvolume,pvcprotection,pvprotection} (v1.36): a claim goes when no
unfinished pod names it, a volume when no claim is bound to it. A provider's named volume stands behind a claim.
"""

from __future__ import annotations

from contextlib import suppress

from chalicelib.apimachinery.accessors import is_deleting, is_terminal, phase_of, spec_of, status_of
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.resources import claimed_storage
from chalicelib.controllers.runtime.objects import DELETING, DeleteObject
from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.extensions import VolumeKeeper
from chalicelib.resources.shared.formats import nanos
from chalicelib.resources.volumes.claims import CLAIM_FINALIZER, VOLUME_FINALIZER
from chalicelib.storage.base import KeyNotFound, Storage
from chalicelib.storage.keys import object_key, prefix
from chalicelib.storage.updates import guaranteed_update

PROTECTING = {"persistentvolumeclaims": CLAIM_FINALIZER, "persistentvolumes": VOLUME_FINALIZER}


class VolumeClaims:
    """Binds claims, and removes deleting claims and volumes once they are not in use. Repeatable."""

    def __init__(self, *, storage: Storage, delete: DeleteObject, provider: object = None) -> None:
        self._storage = storage
        self._provider = provider
        self._delete = delete

    def bind(self, pod: JSON) -> None:
        """Mark the claims of a pod that has been launched as Bound."""

        def bound(claim: JSON) -> JSON | None:
            status, spec = status_of(claim), spec_of(claim)
            if status.get("phase") == "Bound":
                return None
            capacity = {"storage": claimed_storage(claim) or "0"}
            now = {"phase": "Bound", "accessModes": spec.get("accessModes") or [], "capacity": capacity}
            return {**claim, "status": {**status, **now}}

        for name in claims_of(pod):
            key = object_key("persistentvolumeclaims", pod["metadata"].get("namespace"), name)
            with suppress(KeyNotFound):
                guaranteed_update(self._storage, key, bound)

    def expand(self, claim: JSON) -> None:
        """Give a bound claim the size that it asks for: what stands behind it has no size of its own."""

        def expanded(now: JSON) -> JSON | None:
            status, size = status_of(now), claimed_storage(now)
            held = (status.get("capacity") or {}).get("storage")
            if phase_of(now) != "Bound" or size is None or nanos(size) <= nanos(held or "0"):
                return None
            return {**now, "status": {**status, "capacity": {**status.get("capacity", {}), "storage": size}}}

        metadata = claim["metadata"]
        with suppress(KeyNotFound):
            key = object_key("persistentvolumeclaims", metadata["namespace"], metadata["name"])
            guaranteed_update(self._storage, key, expanded)

    def release(self, resource: str, namespace: str, name: str) -> None:
        """Remove the finalizer of a deleting claim or volume that is not in use, and finish its deletion."""
        key = object_key(resource, namespace, name)

        def released(obj: JSON) -> JSON | None:
            if not is_protected(resource, obj):
                return None
            metadata = dict(obj["metadata"])
            kept = [each for each in metadata.pop("finalizers") if each != PROTECTING[resource]]
            return {**obj, "metadata": {**metadata, **({"finalizers": kept} if kept else {})}}

        try:
            obj = self._storage.get(key).object()
            if not is_protected(resource, obj) or self._is_used(resource, obj):
                return
            guaranteed_update(self._storage, key, released)
            self._delete(resource, namespace, name, uid=obj["metadata"]["uid"])
        except KeyNotFound:
            return
        except StatusError as error:
            if error.code not in (404, 409):
                raise

    def sweep(self) -> None:
        """Look at every deleting claim and volume."""
        for resource in PROTECTING:
            for item in self._storage.list(prefix(resource)).items:
                if DELETING in item.json:
                    metadata = item.object()["metadata"]
                    self.release(resource, metadata.get("namespace", ""), metadata["name"])

    def drop_volumes(self) -> None:
        """Have the provider throw away what stood behind claims that are gone."""

        def sources() -> set[str]:  # of the named volumes, as translation/volumes.py writes them
            items = self._storage.list(prefix("persistentvolumeclaims")).items
            return {item.object()["metadata"]["uid"] for item in items}

        if isinstance(self._provider, VolumeKeeper):
            with suppress(ProviderUnavailable):  # the next round does it
                self._provider.keep_volumes(sources)

    def _is_used(self, resource: str, obj: JSON) -> bool:
        if resource == "persistentvolumes":
            return bool(phase_of(obj) == "Bound")
        namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
        items = self._storage.list(prefix("pods", namespace)).items
        naming = (item.object() for item in items if f'"{name}"' in item.json)
        return any(not is_terminal(pod) and name in claims_of(pod) for pod in naming)


def is_protected(resource: str, obj: JSON) -> bool:
    """Return whether a claim or volume is on its way out and held by our finalizer."""
    held = PROTECTING.get(resource)
    return held is not None and is_deleting(obj) and held in (obj["metadata"].get("finalizers") or ())


def claims_of(pod: JSON) -> set[str]:
    """Return the names of the claims that a pod mounts."""
    volumes = spec_of(pod).get("volumes") or ()
    names = {(volume.get("persistentVolumeClaim") or {}).get("claimName", "") for volume in volumes}
    return names - {""}
