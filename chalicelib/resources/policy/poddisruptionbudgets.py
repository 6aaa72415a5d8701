"""PodDisruptionBudgets: stored and shown for helm charts; an eviction is a delete here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery.accessors import metadata_of, spec_of, status_of
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, Column, Strategy
from chalicelib.registry.subresources import WRITE_VERBS, StatusStrategy

_STATUS = ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")


class PodDisruptionBudgetStrategy(Strategy):
    """policy/v1 poddisruptionbudgets."""

    unconditional_update = False
    group, resource, singular = "policy", "poddisruptionbudgets", "poddisruptionbudget"
    kind = "PodDisruptionBudget"
    in_view, edit_verbs = True, WRITE_VERBS
    short_names = ("pdb",)
    has_generation = True
    status = StatusStrategy(dict.fromkeys(_STATUS, 0))
    empty: ClassVar[JSON] = {"spec": {}, "status": dict.fromkeys(_STATUS, 0)}
    columns = (
        NAME_COLUMN,
        Column("Min Available", description="The minimum number of pods that must be available."),
        Column("Max Unavailable", description="The maximum number of pods that may be unavailable."),
        Column(
            "Allowed Disruptions",
            type="integer",
            description="Calculated number of pods that may be disrupted at this time.",
        ),
        AGE_COLUMN,
    )

    def default(self, obj: JSON) -> None:
        """Write a spec even if it is empty."""
        obj["spec"] = spec_of(obj)

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return the row that `kubectl get pdb` shows."""
        metadata, spec, status = metadata_of(obj), spec_of(obj), status_of(obj)
        return [
            metadata.get("name", ""),
            str(spec.get("minAvailable", "N/A")),
            str(spec.get("maxUnavailable", "N/A")),
            status.get("disruptionsAllowed", 0),
            meta.age(metadata.get("creationTimestamp"), now),
        ]
