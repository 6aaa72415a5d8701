"""Namespaces.

Compare kubernetes/pkg/registry/core/namespace/strategy.go, v1.36.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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
LEVELS = ("privileged", "baseline", "restricted")
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

    def validate(self, obj: JSON) -> Iterator[Cause]:
        """Yield which labels of Pod Security name no level or version."""
        return _level_causes(labels_of(obj), {})

    def validate_update(self, obj: JSON, old: JSON) -> Iterator[Cause]:
        """Yield the same of labels that have changed."""
        return _level_causes(labels_of(obj), labels_of(old))

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


def _level_causes(labels: JSON, before: JSON) -> Iterator[Cause]:
    for mode in ("enforce", "audit", "warn"):
        level, version = f"{POD_SECURITY}{mode}", f"{POD_SECURITY}{mode}-version"
        if level in labels and labels[level] not in (*LEVELS, before.get(level)):
            yield invalid(f"metadata.labels[{level}]", labels[level], f"must be one of {', '.join(LEVELS)}")
        given = labels.get(version, "latest")
        if given not in ("latest", before.get(version)) and not re.fullmatch(r"v1\.(0|[1-9]\d{0,8})", given):
            yield invalid(f"metadata.labels[{version}]", given, 'must be "latest" or "v1.x"')
