"""Kinds that are answered and never stored: rows for discovery, beside those of the strategies."""

from __future__ import annotations

from typing import NamedTuple

METRICS_GROUP, METRICS_VERSION = "metrics.k8s.io", "v1beta1"


class UnstoredKind(NamedTuple):
    """One kind that is answered on the spot, and how it is asked for."""

    group: str
    resource: str
    kind: str
    is_namespaced: bool = False
    version: str = "v1"
    verbs: tuple[str, ...] = ("create",)


# As metrics-server serves them.
METRICS = (
    UnstoredKind(METRICS_GROUP, "nodes", "NodeMetrics", False, METRICS_VERSION, ("get", "list")),
    UnstoredKind(METRICS_GROUP, "pods", "PodMetrics", True, METRICS_VERSION, ("get", "list")),
)
