"""PriorityClasses.

Compare kubernetes/pkg/apis/scheduling/validation, v1.36.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery import meta
from chalicelib.apimachinery.causes import forbidden, immutable, not_supported
from chalicelib.apimachinery.status import JSON, Cause
from chalicelib.registry.field_docs import field_doc
from chalicelib.registry.pod_validation import PREEMPTION_POLICIES
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, Column, Strategy

MAX_VALUE = 1_000_000_000  # above are only the classes of the system
SYSTEM_PREFIX = "system-"
SYSTEM_VALUES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


class PriorityClassStrategy(Strategy):
    """scheduling.k8s.io/v1 priorityclasses."""

    group, resource, singular, kind = "scheduling.k8s.io", "priorityclasses", "priorityclass", "PriorityClass"
    namespaced = False
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
        obj["preemptionPolicy"] = obj.get("preemptionPolicy") or PREEMPTION_POLICIES[0]
        for key in ("globalDefault", "description"):
            if not obj.get(key):
                obj.pop(key, None)

    def validate(self, obj: JSON) -> list[Cause]:
        """Return what is wrong with value, name and policy."""
        name, value, causes = (obj.get("metadata") or {}).get("name") or "", obj["value"], []
        if name.startswith(SYSTEM_PREFIX):
            if SYSTEM_VALUES.get(name) != value:
                causes.append(
                    forbidden(
                        "metadata.name",
                        "priority class names with 'system-' prefix are reserved for system use only."
                        " error: this name is reserved",
                    )
                )
        elif value > MAX_VALUE:
            why = f"maximum allowed value of a user defined priority is {MAX_VALUE}"
            causes.append(forbidden("value", why))
        if obj["preemptionPolicy"] not in PREEMPTION_POLICIES:
            causes.append(not_supported("preemptionPolicy", obj["preemptionPolicy"], PREEMPTION_POLICIES))
        return causes

    def validate_update(self, obj: JSON, old: JSON) -> list[Cause]:
        """Hold value and policy."""
        causes = []
        if obj["value"] != old.get("value", 0):
            causes.append(forbidden("value", "may not be changed in an update."))
        return causes + immutable("preemptionPolicy", obj["preemptionPolicy"], old.get("preemptionPolicy"))

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return the row that `kubectl get priorityclasses` shows."""
        metadata = obj.get("metadata") or {}
        return [
            metadata.get("name", ""),
            obj.get("value", 0),
            bool(obj.get("globalDefault")),
            meta.age(metadata.get("creationTimestamp"), now),
            obj.get("preemptionPolicy", ""),
        ]
