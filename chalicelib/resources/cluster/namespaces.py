"""Namespaces.

Compare kubernetes/pkg/registry/core/namespace/strategy.go, v1.36.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery.accessors import metadata_of, phase_of, spec_of, status_of
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.causes import invalid
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, ALL_VERBS, NAME_COLUMN, Column, Strategy

NAME_LABEL = "kubernetes.io/metadata.name"


class NamespaceStrategy(Strategy):
    """core/v1 namespaces. Deletion is a controller's work: they terminate until they are empty."""

    condition_times = ("lastTransitionTime",)
    resource, singular, kind = "namespaces", "namespace", "Namespace"
    namespaced = False
    short_names = ("ns",)
    verbs = tuple(verb for verb in ALL_VERBS if verb != "deletecollection")
    has_status = True
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
        obj["status"] = {"phase": "Active"}

    def prepare_for_update(self, obj: JSON, old: JSON) -> None:
        """Keep finalizers, which only /finalize changes, and status."""
        obj["spec"] = spec_of(old)
        obj["status"] = status_of(old)

    def validate_status_update(self, obj: JSON, old: JSON) -> list[Cause]:
        """Hold the phase to whether the namespace is being deleted."""
        is_going = bool(metadata_of(old).get("deletionTimestamp"))
        wanted, found = "Terminating" if is_going else "Active", phase_of(obj) or ""
        why = f"may only be '{wanted}' if `deletionTimestamp` is {'not ' if is_going else ''}empty"
        return [] if found == wanted else [invalid("status.Phase", found, why)]

    def name_errors(self, name: str, *, is_prefix: bool = False) -> list[str]:
        """Return why `name` is no DNS label."""
        return meta.dns_label_errors(name, is_prefix=is_prefix)

    def selectable_fields(self, obj: JSON) -> dict[str, str]:
        """Return name and phase."""
        return {**super().selectable_fields(obj), "status.phase": status_of(obj).get("phase", "")}

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return name, phase and age."""
        metadata = metadata_of(obj)
        phase = status_of(obj).get("phase", "")
        return [metadata.get("name", ""), phase, meta.age(metadata.get("creationTimestamp"), now)]
