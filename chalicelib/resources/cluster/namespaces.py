"""Namespaces.

Compare kubernetes/pkg/registry/core/namespace/strategy.go, v1.36.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery.accessors import is_deleting, labels_of, metadata_of, phase_of, spec_of, status_of
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules import time as kubetime
from chalicelib.apimachinery.rules.causes import invalid
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, ALL_VERBS, NAME_COLUMN, Column, Strategy
from chalicelib.registry.subresources import SpecFieldStrategy, StatusStrategy, Subresource

POD_SECURITY = "pod-security.kubernetes.io/"
NAME_LABEL = "kubernetes.io/metadata.name"
SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


class _NamespaceStatus(StatusStrategy):
    def validate_update(self, obj: JSON, old: JSON) -> list[Cause]:
        """Hold the phase to whether the namespace is being deleted."""
        deleting = is_deleting(old)
        wanted, found = "Terminating" if deleting else "Active", phase_of(obj) or ""
        why = f"may only be '{wanted}' if `deletionTimestamp` is {'not ' if deleting else ''}empty"
        return [] if found == wanted else [invalid("status.Phase", found, why)]


class NamespaceStrategy(Strategy):
    """core/v1 namespaces. Deletion is a controller's work: they terminate until they are empty."""

    resource, singular, kind = "namespaces", "namespace", "Namespace"
    in_view = True
    namespaced = False
    short_names = ("ns",)
    verbs = tuple(verb for verb in ALL_VERBS if verb != "deletecollection")
    status = _NamespaceStatus({"phase": "Active"}, condition_times=("lastTransitionTime",))
    subresources = (Subresource("finalize", "Namespace", verbs=("update",), part=SpecFieldStrategy("finalizers")),)
    name_errors = staticmethod(meta.dns_label_errors)
    undeletable = ("this namespace may not be deleted", SYSTEM_NAMESPACES)
    empty: ClassVar[JSON] = {"spec": {}, "status": {}}
    field_label_error = "field label not supported: {}"
    columns = (NAME_COLUMN, Column("Status", description="The status of the namespace"), AGE_COLUMN)

    def default(self, obj: JSON) -> None:
        """Set the label that lets selectors find a namespace by its name."""
        metadata = obj["metadata"]
        if metadata.get("name"):
            metadata["labels"] = {**(metadata.get("labels") or {}), NAME_LABEL: metadata["name"]}
        obj["spec"] = spec_of(obj)

    def prepare_for_create(self, obj: JSON) -> None:
        """Set the finalizer that the namespace controller takes off, and the phase."""
        finalizers = obj["spec"].get("finalizers") or []
        if "kubernetes" not in finalizers:
            finalizers = [*finalizers, "kubernetes"]
        obj["spec"]["finalizers"] = finalizers
        super().prepare_for_create(obj)

    def prepare_for_update(self, obj: JSON, old: JSON) -> None:
        """Keep finalizers, which only /finalize changes, and status."""
        obj["spec"] = spec_of(old)
        super().prepare_for_update(obj, old)

    def warnings(self, obj: JSON) -> list[str]:
        """Name the levels of Pod Security that a namespace asks for, which nothing here enforces."""
        asked = {label: level for label, level in labels_of(obj).items() if label.startswith(POD_SECURITY)}
        return [
            f"metadata.labels[{label}]: pods are not held to level {level} here"
            for label, level in asked.items()
            if not label.endswith("-version") and level != "privileged"
        ]

    def begin_deletion(self, obj: JSON, now: datetime) -> bool:
        """Mark, in place, a namespace to be emptied; it goes with the last of its spec.finalizers.

        Compare kubernetes/pkg/registry/core/namespace/storage/storage.go (v1.36): no grace period is noted.
        """
        if not self.is_held(obj):
            return False
        if not is_deleting(obj):
            obj["metadata"]["deletionTimestamp"] = kubetime.format_time(now)
            obj["status"] = {**status_of(obj), "phase": "Terminating"}
        return True

    def is_held(self, obj: JSON) -> bool:
        """Return whether spec.finalizers hold it."""
        return bool(spec_of(obj).get("finalizers"))

    def selectable_fields(self, obj: JSON) -> dict[str, str]:
        """Return name and phase."""
        return {**super().selectable_fields(obj), "status.phase": status_of(obj).get("phase", "")}

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return name, phase and age."""
        metadata = metadata_of(obj)
        phase = status_of(obj).get("phase", "")
        return [metadata.get("name", ""), phase, meta.age(metadata.get("creationTimestamp"), now)]
