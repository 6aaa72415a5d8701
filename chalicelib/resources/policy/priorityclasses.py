"""PriorityClasses.

Compare kubernetes/pkg/apis/scheduling/validation, v1.36.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery.accessors import metadata_of
from chalicelib.apimachinery.field_docs import field_doc
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.causes import forbidden
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, Column, Strategy

MAX_VALUE = 1_000_000_000  # above are only the classes of the system
SYSTEM_VALUES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
DEFAULT_POLICY = "PreemptLowerPriority"


class PriorityClassStrategy(Strategy):
    """scheduling.k8s.io/v1 priorityclasses."""

    group, resource, singular, kind = "scheduling.k8s.io", "priorityclasses", "priorityclass", "PriorityClass"
    namespaced = False
    undeletable = ("this is a system priority class and cannot be deleted", tuple(SYSTEM_VALUES))
    short_names = ("pc",)
    has_generation = True
    empty: ClassVar[JSON] = {"value": 0}
    columns = (
        NAME_COLUMN,
        Column("Value", type="integer", description=field_doc("PriorityClass.value")),
        Column("Global-Default", type="boolean", description=field_doc("PriorityClass.globalDefault")),
        AGE_COLUMN,
        Column("PreemptionPolicy", description=field_doc("PriorityClass.preemptionPolicy")),
    )

    def default(self, obj: JSON) -> None:
        """Set value and preemption policy."""
        obj["value"] = obj.get("value") or 0
        obj["preemptionPolicy"] = obj.get("preemptionPolicy") or DEFAULT_POLICY
        for key in ("globalDefault", "description"):
            if not obj.get(key):
                obj.pop(key, None)

    def validate(self, obj: JSON) -> list[Cause]:
        """Return what is wrong with the value."""
        if obj["value"] <= MAX_VALUE or metadata_of(obj).get("name") in SYSTEM_VALUES:
            return []
        return [forbidden("value", f"maximum allowed value of a user defined priority is {MAX_VALUE}")]

    def validate_update(self, obj: JSON, old: JSON) -> list[Cause]:
        """Hold the value."""
        changed = obj["value"] != old.get("value", 0)
        return [forbidden("value", "may not be changed in an update.")] if changed else []

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return the row that `kubectl get priorityclasses` shows."""
        metadata = metadata_of(obj)
        return [
            metadata.get("name", ""),
            obj.get("value", 0),
            bool(obj.get("globalDefault")),
            meta.age(metadata.get("creationTimestamp"), now),
            obj.get("preemptionPolicy", ""),
        ]
