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
from chalicelib.resources.workloads.counts import not_negative_causes

AVAILABLE, READY = "availableReplicas", "readyReplicas"


def status_causes(
    obj: JSON, *, counts: tuple[str, ...], parts: tuple[str, ...] = (), ready_name: str = READY
) -> Iterator[Cause]:
    """Yield which of the status' `counts` are below zero, and which of its `parts` exceed all replicas.

    `ready_name` is what a refusal calls the count of ready ones.
    """
    status = status_of(obj)
    for name in counts:
        yield from not_negative_causes(status.get(name), f"status.{name}")
    for name in parts:
        if (status.get(name) or 0) > (status.get("replicas") or 0):
            yield invalid(f"status.{name}", status.get(name, 0), "cannot be greater than status.replicas")
    if AVAILABLE in parts and (status.get(AVAILABLE) or 0) > (status.get(READY) or 0):
        yield invalid(f"status.{AVAILABLE}", status[AVAILABLE], f"cannot be greater than {ready_name}")
