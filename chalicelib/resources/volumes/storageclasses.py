"""StorageClasses.

Compare kubernetes/pkg/apis/storage/validation, v1.36.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery.accessors import annotations_of, metadata_of
from chalicelib.apimachinery.field_docs import field_doc
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.causes import forbidden, not_supported, required
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, Column, Strategy

DEFAULT_ANNOTATIONS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)
RECLAIM_POLICIES = ("Delete", "Retain")
BINDING_MODES = ("Immediate", "WaitForFirstConsumer")
_FIXED = ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode")


def is_default(storage_class: JSON) -> bool:
    """Return whether claims without a class get this one."""
    annotations = annotations_of(storage_class)
    return any(annotations.get(name) == "true" for name in DEFAULT_ANNOTATIONS)


class StorageClassStrategy(Strategy):
    """storage.k8s.io/v1 storageclasses."""

    group, resource, singular, kind = "storage.k8s.io", "storageclasses", "storageclass", "StorageClass"
    namespaced = False
    short_names = ("sc",)
    returns_deleted = True
    empty: ClassVar[JSON] = {"provisioner": ""}
    columns = (
        NAME_COLUMN,
        Column("Provisioner", description=field_doc("StorageClass.provisioner")),
        Column("ReclaimPolicy", description=field_doc("StorageClass.reclaimPolicy")),
        Column("VolumeBindingMode", description=field_doc("StorageClass.volumeBindingMode")),
        Column("AllowVolumeExpansion", description=field_doc("StorageClass.allowVolumeExpansion")),
        AGE_COLUMN,
    )

    def default(self, obj: JSON) -> None:
        """Set reclaim policy and binding mode."""
        obj["provisioner"] = obj.get("provisioner") or ""
        obj["reclaimPolicy"] = obj.get("reclaimPolicy") or "Delete"
        obj["volumeBindingMode"] = obj.get("volumeBindingMode") or "Immediate"
        for key in ("parameters", "mountOptions", "allowedTopologies"):
            if not obj.get(key):
                obj.pop(key, None)

    def validate(self, obj: JSON) -> list[Cause]:
        """Return what is wrong with provisioner, policy and mode."""
        wrong = [] if obj["provisioner"] else [required("provisioner")]
        choices = (("reclaimPolicy", RECLAIM_POLICIES), ("volumeBindingMode", BINDING_MODES))
        return wrong + [not_supported(key, obj[key], known) for key, known in choices if obj[key] not in known]

    def validate_update(self, obj: JSON, old: JSON) -> list[Cause]:
        """Hold all but labels, annotations and expansion."""
        changed = [key for key in _FIXED if (obj.get(key) or {}) != (old.get(key) or {})]
        forbidden_causes = [forbidden(key, f"updates to {key} are forbidden.") for key in changed]
        return [*self.validate(obj), *forbidden_causes]

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return the row that `kubectl get storageclasses` shows."""
        metadata = metadata_of(obj)
        return [
            metadata.get("name", "") + (" (default)" if is_default(obj) else ""),
            obj.get("provisioner", ""),
            obj.get("reclaimPolicy", ""),
            obj.get("volumeBindingMode", ""),
            bool(obj.get("allowVolumeExpansion")),
            meta.age(metadata.get("creationTimestamp"), now),
        ]
