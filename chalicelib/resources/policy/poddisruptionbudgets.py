"""PodDisruptionBudgets.

Compare kubernetes/pkg/apis/policy/validation, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery.accessors import metadata_of, spec_of, status_of
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.causes import invalid, not_supported
from chalicelib.apimachinery.rules.selectors import label_selector_causes
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, Column, Strategy
from chalicelib.registry.subresources import WRITE_VERBS
from chalicelib.resources.workloads.counts import count_causes, percent_causes
from chalicelib.resources.workloads.status_counts import CountedStatus

EVICTION_POLICIES = ("AlwaysAllow", "IfHealthyBudget")
_STATUS = ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")


class PodDisruptionBudgetStrategy(Strategy):
    """policy/v1 poddisruptionbudgets."""

    unconditional_update = False
    group, resource, singular = "policy", "poddisruptionbudgets", "poddisruptionbudget"
    kind = "PodDisruptionBudget"
    in_view, edit_verbs = True, WRITE_VERBS
    short_names = ("pdb",)
    has_generation = True
    status = CountedStatus(dict.fromkeys(_STATUS, 0), counts=_STATUS)
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

    def validate(self, obj: JSON) -> list[Cause]:
        """Return what is wrong with counts, selector and policy."""
        return list(_spec_causes(obj["spec"]))

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


def _spec_causes(spec: JSON) -> Iterator[Cause]:
    low, high = spec.get("minAvailable"), spec.get("maxUnavailable")
    if low is not None and high is not None:
        yield invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set")
    for key, count in (("minAvailable", low), ("maxUnavailable", high)):
        if count is not None:
            yield from count_causes(count, f"spec.{key}")
            yield from percent_causes(count, f"spec.{key}")
    yield from label_selector_causes(spec.get("selector"), "spec.selector")
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in EVICTION_POLICIES:
        yield not_supported("spec.unhealthyPodEvictionPolicy", policy, EVICTION_POLICIES)
