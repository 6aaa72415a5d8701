"""PriorityClasses.

Compare kubernetes/pkg/apis/scheduling/validation, v1.36.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery.accessors import metadata_of
from chalicelib.apimachinery.field_docs import field_doc
from chalicelib.apimachinery.rules import meta, status
from chalicelib.apimachinery.rules.causes import forbidden, immutable, not_supported
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, Column, Strategy

PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")
MAX_VALUE = 1_000_000_000  # above are only the classes of the system
SYSTEM_PREFIX = "system-"
SYSTEM_VALUES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
DEFAULT_POLICY = PREEMPTION_POLICIES[0]


def default_class(classes: Iterable[JSON]) -> JSON | None:
    """Return the class of pods that name none: of several the one with the lowest value; None if there is none."""
    marked = [each for each in classes if each.get("globalDefault")]
    return min(marked, key=lambda each: int(each.get("value", 0)), default=None)


def _system_name_problem(obj: JSON, name: str) -> str:
    """Return why a class may not have a name of the system's, "" if it is the system's own."""
    if name not in SYSTEM_VALUES:
        return f"{name} is not a known system priority class"
    if obj["value"] != SYSTEM_VALUES[name]:
        return f"value of {name} PriorityClass must be {SYSTEM_VALUES[name]}"
    return f"globalDefault of {name} PriorityClass must be false" if obj.get("globalDefault") else ""


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
        obj["preemptionPolicy"] = obj.get("preemptionPolicy") or PREEMPTION_POLICIES[0]
        for key in ("globalDefault", "description"):
            if not obj.get(key):
                obj.pop(key, None)

    def validate(self, obj: JSON) -> list[Cause]:
        """Return what is wrong with value, name and policy."""
        name, value, causes = metadata_of(obj).get("name") or "", obj["value"], []
        if name.startswith(SYSTEM_PREFIX):
            problem = _system_name_problem(obj, name)
            if problem:
                why = f"priority class names with '{SYSTEM_PREFIX}' prefix are reserved for system use only."
                causes.append(forbidden("metadata.name", f"{why} error: {problem}"))
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

    def allocate(self, obj: JSON, old: JSON | None, siblings: Callable[[], Iterable[JSON]]) -> list[Cause]:
        """Let there be one class only that is the default. Raises 403."""
        del old
        other = default_class(siblings()) if obj.get("globalDefault") else None
        name = obj["metadata"].get("name", "")
        if other is not None and other["metadata"]["name"] != name:
            why = (
                f"PriorityClass {other['metadata']['name']} is already marked as default."
                " Only one default can exist"
            )
            raise status.forbidden(self.resource, name, why, group=self.group)
        return []

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
