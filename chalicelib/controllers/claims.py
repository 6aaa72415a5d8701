"""Claims in use stay: takes the protecting finalizer off a deleting PersistentVolumeClaim.

Compare kubernetes/pkg/controller/volume/pvcprotection (v1.36): a claim goes when no unfinished pod names it.
"""

from __future__ import annotations

from chalicelib.apimachinery.status import JSON, StatusError
from chalicelib.controllers.garbage import DeleteObject
from chalicelib.controllers.pod_status import is_terminal
from chalicelib.registry.claims import CLAIM_FINALIZER
from chalicelib.registry.keys import object_key, prefix
from chalicelib.registry.objects import is_deleting
from chalicelib.storage.base import KeyNotFound, Storage, guaranteed_update


class ClaimProtection:
    """Lets deleting claims go once nobody uses them. Repeatable."""

    def __init__(self, *, storage: Storage, delete: DeleteObject) -> None:
        self._storage = storage
        self._delete = delete

    def release(self, namespace: str, name: str) -> None:
        """Take the finalizer off a deleting claim that no pod needs, and finish its deletion."""
        key = object_key("persistentvolumeclaims", namespace, name)
        try:
            claim = self._storage.get(key).object()
            if not is_protected(claim) or self._is_used(namespace, name):
                return
            guaranteed_update(self._storage, key, _released)
            self._delete("persistentvolumeclaims", namespace, name, uid=claim["metadata"]["uid"])
        except KeyNotFound:
            return
        except StatusError as error:
            if error.code not in (404, 409):
                raise

    def sweep(self) -> None:
        """Look at every deleting claim."""
        for item in self._storage.list(prefix("persistentvolumeclaims")).items:
            if '"deletionTimestamp"' in item.json:
                metadata = item.object()["metadata"]
                self.release(metadata["namespace"], metadata["name"])

    def _is_used(self, namespace: str, name: str) -> bool:
        for item in self._storage.list(prefix("pods", namespace)).items:
            if f'"{name}"' in item.json:
                pod = item.object()
                if not is_terminal(pod) and name in claims_of(pod):
                    return True
        return False


def is_protected(claim: JSON) -> bool:
    """Tell whether a claim is on its way out and held by our finalizer."""
    return is_deleting(claim) and CLAIM_FINALIZER in (claim["metadata"].get("finalizers") or ())


def claims_of(pod: JSON) -> set[str]:
    """Return the names of the claims that a pod mounts."""
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    names = {(volume.get("persistentVolumeClaim") or {}).get("claimName", "") for volume in volumes}
    return names - {""}


def _released(claim: JSON) -> JSON | None:
    if not is_protected(claim):
        return None
    kept = [each for each in claim["metadata"]["finalizers"] if each != CLAIM_FINALIZER]
    metadata = {key: value for key, value in claim["metadata"].items() if key != "finalizers"}
    return {**claim, "metadata": {**metadata, "finalizers": kept} if kept else metadata}
