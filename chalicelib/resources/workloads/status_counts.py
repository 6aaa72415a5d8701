"""The numbers in the status of workloads and budgets, and what may be wrong with them.

Compare Validate{Deployment,ReplicaSet,StatefulSet}Status in kubernetes/pkg/apis/apps/validation and
ValidatePodDisruptionBudgetStatusUpdate in kubernetes/pkg/apis/policy/validation, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.accessors import status_of
from chalicelib.apimachinery.rules.causes import invalid
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.subresources import StatusStrategy
from chalicelib.resources.workloads.counts import not_negative_causes

AVAILABLE, READY = "availableReplicas", "readyReplicas"


class CountedStatus(StatusStrategy):
    """A status whose `counts` are never below zero, and whose `parts` never exceed all replicas.

    `ready_name` is what a refusal calls the count of ready ones.
    """

    def __init__(
        self,
        initial: JSON | None = None,
        *,
        counts: tuple[str, ...],
        parts: tuple[str, ...] = (),
        ready_name: str = READY,
        condition_times: tuple[str, ...] = (),
    ) -> None:
        super().__init__(initial, condition_times=condition_times)
        self.counts, self.parts, self.ready_name = counts, parts, ready_name

    def validate_update(self, obj: JSON, old: JSON) -> Iterator[Cause]:
        """Yield which numbers do not fit together."""
        del old
        status = status_of(obj)
        for name in self.counts:
            yield from not_negative_causes(status.get(name), f"status.{name}")
        for name in self.parts:
            if (status.get(name) or 0) > (status.get("replicas") or 0):
                yield invalid(f"status.{name}", status.get(name, 0), "cannot be greater than status.replicas")
        if AVAILABLE in self.parts and (status.get(AVAILABLE) or 0) > (status.get(READY) or 0):
            yield invalid(f"status.{AVAILABLE}", status[AVAILABLE], f"cannot be greater than {self.ready_name}")
