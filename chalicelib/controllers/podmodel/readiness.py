"""Readiness gates: conditions that others set, and that a pod's readiness waits for.

Compare GeneratePodReadyCondition in kubernetes/pkg/kubelet/status/generate.go, v1.36.
"""

from __future__ import annotations

from chalicelib.apimachinery.accessors import spec_of, status_of
from chalicelib.apimachinery.types import JSON


def gated_readiness(pod: JSON) -> tuple[str, bool, str, str]:
    """Return Ready of a pod whose containers are: all conditions that its gates name must hold too."""
    found = {each.get("type"): each.get("status") for each in status_of(pod).get("conditions") or ()}
    closed = []
    for gate in (each.get("conditionType", "") for each in spec_of(pod).get("readinessGates") or ()):
        if gate not in found:
            closed.append(f'corresponding condition of pod readiness gate "{gate}" does not exist.')
        elif found[gate] != "True":
            closed.append(f'the status of pod readiness gate "{gate}" is not "True", but {found[gate]}')
    return ("Ready", not closed, "ReadinessGatesNotReady" if closed else "", ", ".join(closed))
