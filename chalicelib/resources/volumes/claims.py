"""PersistentVolumeClaims and PersistentVolumes.

Compare kubernetes/pkg/registry/core/persistentvolumeclaim and ValidatePersistentVolumeClaim, v1.36.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery.accessors import metadata_of, phase_of, spec_of, status_of
from chalicelib.apimachinery.field_docs import field_doc
from chalicelib.apimachinery.rules import meta, names
from chalicelib.apimachinery.rules.causes import forbidden, immutable, invalid, not_supported, required
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, Column, Strategy
from chalicelib.registry.subresources import WRITE_VERBS, StatusStrategy
from chalicelib.resources.pods.defaults import drop_empty
from chalicelib.resources.shared.formats import amounts_texts, nanos

MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
VOLUME_MODES = ("Block", "Filesystem")
RECLAIM_POLICIES = ("Delete", "Recycle", "Retain")
CLAIM_FINALIZER = "kubernetes.io/pvc-protection"  # admission sets it, a controller takes it off when no pod needs it
VOLUME_FINALIZER = "kubernetes.io/pv-protection"
UNSET = "<unset>"
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_ONLY_THESE = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)
_PLAIN = frozenset(("accessModes", "capacity", "mountOptions", "storageClassName", "volumeName"))
# What stands in a PersistentVolume's spec beside its source.
_NO_SOURCE_TEXT = (
    "accessModes capacity claimRef mountOptions nodeAffinity persistentVolumeReclaimPolicy storageClassName"
    " volumeAttributesClassName volumeMode"
)
_NO_SOURCE = frozenset(_NO_SOURCE_TEXT.split())


def modes_text(modes: Sequence[str]) -> str:
    """Return access modes as kubectl shortens them."""
    return ",".join(short for mode, short in MODES.items() if mode in modes)


def protect(obj: JSON, finalizer: str) -> None:
    """Add a finalizer, in place, unless it is there."""
    finalizers = obj["metadata"].get("finalizers") or []
    if finalizer not in finalizers:
        obj["metadata"]["finalizers"] = [*finalizers, finalizer]


class PersistentVolumeClaimStrategy(Strategy):
    """core/v1 persistentvolumeclaims."""

    resource, singular, kind = "persistentvolumeclaims", "persistentvolumeclaim", "PersistentVolumeClaim"
    in_view, edit_verbs = True, WRITE_VERBS
    short_names = ("pvc",)
    returns_deleted = True
    status = StatusStrategy({"phase": "Pending"}, condition_times=("lastProbeTime", "lastTransitionTime"))
    empty: ClassVar[JSON] = {"spec": {"resources": {}}, "status": {}}
    columns = (
        NAME_COLUMN,
        Column("Status", description=field_doc("PersistentVolumeClaimStatus.phase")),
        Column("Volume", description=field_doc("PersistentVolumeClaimSpec.volumeName")),
        Column("Capacity", description=field_doc("PersistentVolumeClaimStatus.capacity")),
        Column("Access Modes", description=field_doc("PersistentVolumeClaimStatus.accessModes")),
        Column("StorageClass", description="StorageClass of the pvc"),
        Column("VolumeAttributesClass", description="VolumeAttributesClass of the pvc"),
        AGE_COLUMN,
        Column("VolumeMode", description=field_doc("PersistentVolumeClaimSpec.volumeMode"), priority=1),
    )

    def default(self, obj: JSON) -> None:
        """Set the volume mode and write quantities as the server does."""
        spec = obj["spec"] = spec_of(obj)
        drop_empty(spec, _PLAIN - {"storageClassName"})  # an empty class is a choice here: no provisioning
        spec.setdefault("volumeMode", "Filesystem")
        resources = spec["resources"] = spec.get("resources") or {}
        for kind in ("limits", "requests"):
            if resources.get(kind):
                resources[kind] = amounts_texts(resources[kind])

    def prepare_for_create(self, obj: JSON) -> None:
        """Set the phase and the finalizer."""
        super().prepare_for_create(obj)
        protect(obj, CLAIM_FINALIZER)

    def validate(self, obj: JSON) -> Iterator[Cause]:
        """Yield what is wrong with a claim."""
        return claim_causes(obj["spec"], "spec")

    def validate_update(self, obj: JSON, old: JSON) -> Iterator[Cause]:
        """Yield what is wrong, and what may not be changed: all but the size of a bound claim."""
        yield from self.validate(obj)
        spec, before = copy.deepcopy(obj["spec"]), spec_of(old)
        new_size, old_size = (storage_of(each) for each in (spec, before))
        free = set() if "volumeName" in before else {"volumeName"}  # a controller binds the claim
        if phase_of(old) == "Bound":
            free.add("volumeAttributesClassName")
            if old_size is not None and new_size is not None:
                spec["resources"]["requests"]["storage"] = old_size
        if {key for key in spec.keys() | before.keys() if spec.get(key) != before.get(key)} - free:
            yield forbidden("spec", _ONLY_THESE)
            return
        held = nanos((status_of(old).get("capacity") or {}).get("storage") or "0")
        size = nanos(new_size or "0")
        if size < nanos(old_size or "0") and size <= held:
            yield forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return the row that `kubectl get pvc` shows."""
        metadata, spec, status = metadata_of(obj), spec_of(obj), status_of(obj)
        volume = spec.get("volumeName") or ""
        annotations = metadata.get("annotations") or {}
        return [
            metadata.get("name", ""),
            "Terminating" if metadata.get("deletionTimestamp") else status.get("phase", ""),
            volume,
            (status.get("capacity") or {}).get("storage", "0") if volume else "",
            modes_text(status.get("accessModes") or ()) if volume else "",
            annotations.get(CLASS_ANNOTATION) or spec.get("storageClassName") or "",
            spec.get("volumeAttributesClassName") or UNSET,
            meta.age(metadata.get("creationTimestamp"), now),
            spec.get("volumeMode") or UNSET,
        ]


class PersistentVolumeStrategy(Strategy):
    """core/v1 persistentvolumes."""

    resource, singular, kind = "persistentvolumes", "persistentvolume", "PersistentVolume"
    namespaced = False
    short_names = ("pv",)
    returns_deleted = True
    status = StatusStrategy({"phase": "Pending"})
    empty: ClassVar[JSON] = {"spec": {}, "status": {}}
    columns = (
        NAME_COLUMN,
        Column("Capacity", description=field_doc("PersistentVolumeSpec.capacity")),
        Column("Access Modes", description=field_doc("PersistentVolumeSpec.accessModes")),
        Column("Reclaim Policy", description=field_doc("PersistentVolumeSpec.persistentVolumeReclaimPolicy")),
        Column("Status", description=field_doc("PersistentVolumeStatus.phase")),
        Column("Claim", description=field_doc("PersistentVolumeSpec.claimRef")),
        Column("StorageClass", description="StorageClass of the pv"),
        Column("VolumeAttributesClass", description="VolumeAttributesClass of the pv"),
        Column("Reason", description=field_doc("PersistentVolumeStatus.reason")),
        AGE_COLUMN,
        Column("VolumeMode", description=field_doc("PersistentVolumeSpec.volumeMode"), priority=1),
    )

    def default(self, obj: JSON) -> None:
        """Set policy, mode, and write quantities as the server does."""
        spec = obj["spec"] = spec_of(obj)
        drop_empty(spec, _PLAIN)
        spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
        spec.setdefault("volumeMode", "Filesystem")
        if "capacity" in spec:
            spec["capacity"] = amounts_texts(spec["capacity"])
        if spec.get("hostPath") is not None:
            spec["hostPath"].setdefault("type", "")

    def prepare_for_create(self, obj: JSON) -> None:
        """Set the phase and the finalizer."""
        super().prepare_for_create(obj)
        protect(obj, VOLUME_FINALIZER)

    def validate(self, obj: JSON) -> Iterator[Cause]:
        """Yield what is wrong with a volume."""
        spec = obj["spec"]
        yield from _modes_causes(spec, "spec")
        capacity = spec.get("capacity") or {}
        if not capacity:
            yield required("spec.capacity")
        elif list(capacity) != ["storage"]:
            yield not_supported("spec.capacity", capacity, ("storage",))
        for name, amount in capacity.items():
            if nanos(amount) <= 0:
                yield invalid(f"spec.capacity[{name}]", amount, "must be greater than zero")
        sources = list(_source(spec))
        for extra in sources[1:]:
            yield forbidden(f"spec.{extra}", "may not specify more than 1 volume type")
        if not sources:
            yield required("spec", "must specify a volume type")
        if spec["persistentVolumeReclaimPolicy"] not in RECLAIM_POLICIES:
            yield not_supported(
                "spec.persistentVolumeReclaimPolicy", spec["persistentVolumeReclaimPolicy"], RECLAIM_POLICIES
            )
        if spec.get("volumeMode") not in VOLUME_MODES:
            yield not_supported("spec.volumeMode", spec.get("volumeMode"), VOLUME_MODES)

    def validate_update(self, obj: JSON, old: JSON) -> Iterator[Cause]:
        """Hold what the volume is made of."""
        spec, before = obj["spec"], spec_of(old)
        yield from self.validate(obj)
        if _source(spec) != _source(before):
            why = "spec.persistentvolumesource is immutable after creation"
            yield forbidden("spec.persistentvolumesource", why)
        yield from immutable("volumeMode", spec.get("volumeMode"), before.get("volumeMode"))

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return the row that `kubectl get pv` shows."""
        metadata, spec, status = metadata_of(obj), spec_of(obj), status_of(obj)
        claim = spec.get("claimRef")
        return [
            metadata.get("name", ""),
            (spec.get("capacity") or {}).get("storage", "0"),
            modes_text(spec.get("accessModes") or ()),
            spec.get("persistentVolumeReclaimPolicy", ""),
            "Terminating" if metadata.get("deletionTimestamp") else status.get("phase", ""),
            f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
            spec.get("storageClassName") or "",
            spec.get("volumeAttributesClassName") or UNSET,
            status.get("reason") or "",
            meta.age(metadata.get("creationTimestamp"), now),
            spec.get("volumeMode") or UNSET,
        ]


def storage_of(spec: JSON) -> str | None:
    """Return how much storage the spec of a claim asks for."""
    size: str | None = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    return size


def _source(spec: JSON) -> JSON:
    return {key: value for key, value in spec.items() if key not in _NO_SOURCE}


def _modes_causes(spec: JSON, at: str) -> Iterator[Cause]:
    field, modes = f"{at}.accessModes", spec.get("accessModes") or []
    if not modes:
        yield required(field, "at least 1 access mode is required")
    for mode in modes:
        if mode not in MODES:
            yield not_supported(field, mode, sorted(MODES))
    if "ReadWriteOncePod" in modes and len(set(modes)) > 1:
        yield forbidden(field, "may not use ReadWriteOncePod with other access modes")


def claim_causes(spec: JSON, at: str) -> Iterator[Cause]:
    """Yield what is wrong with the spec of a claim, or of a claim template."""
    yield from _modes_causes(spec, at)
    size = storage_of(spec)
    if size is None:
        yield required(f"{at}.resources[storage]")
    elif nanos(size) <= 0:
        yield invalid(f"{at}.resources[storage]", size, "must be greater than zero")
    if spec.get("storageClassName"):
        for error in names.dns_subdomain_errors(spec["storageClassName"]):
            yield invalid(f"{at}.storageClassName", spec["storageClassName"], error)
    if spec.get("volumeMode") not in (None, *VOLUME_MODES):
        yield not_supported(f"{at}.volumeMode", spec["volumeMode"], VOLUME_MODES)
