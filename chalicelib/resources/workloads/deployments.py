"""Deployments and ReplicaSets.

Compare kubernetes/pkg/apis/apps/v1/defaults.go and validation, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery.accessors import metadata_of, spec_of, status_of
from chalicelib.apimachinery.field_docs import field_doc
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.causes import forbidden, immutable, invalid, not_supported
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, SCALE_PATHS, Column, Strategy
from chalicelib.registry.subresources import WRITE_VERBS
from chalicelib.resources.pods.defaults import EMPTY_TEMPLATE
from chalicelib.resources.pods.validation import spec_warnings
from chalicelib.resources.shared.table_text import containers_text, selector_text
from chalicelib.resources.workloads.counts import count_causes, not_negative_causes, percent_causes
from chalicelib.resources.workloads.status_counts import AVAILABLE, READY, CountedStatus
from chalicelib.resources.workloads.workload import CONTAINERS_COLUMN, IMAGES_COLUMN, default_workload, workload_causes

STRATEGIES = ("Recreate", "RollingUpdate")
PROGRESS_SECONDS = 600  # how long a rollout may stand still before it is said to have failed
KEPT_REVISIONS = 10
STEP = "25%"  # of the pods, of a rolling update


class DeploymentStrategy(Strategy):
    """apps/v1 deployments."""

    group, resource, singular, kind = "apps", "deployments", "deployment", "Deployment"
    pod_template = ("template",)
    in_view, edit_verbs = True, WRITE_VERBS
    short_names, categories = ("deploy",), ("all",)
    has_generation = True
    status = CountedStatus(
        condition_times=("lastUpdateTime", "lastTransitionTime"),
        counts=(
            "observedGeneration",
            "replicas",
            "updatedReplicas",
            READY,
            AVAILABLE,
            "unavailableReplicas",
            "collisionCount",
        ),
        parts=("updatedReplicas", READY, AVAILABLE),
    )
    scale = SCALE_PATHS
    empty: ClassVar[JSON] = {"spec": {"selector": None, "template": EMPTY_TEMPLATE, "strategy": {}}, "status": {}}
    columns = (
        NAME_COLUMN,
        Column("Ready", description="Number of the pod with ready state"),
        Column("Up-to-date", description=field_doc("DeploymentStatus.updatedReplicas")),
        Column("Available", description=field_doc("DeploymentStatus.availableReplicas")),
        AGE_COLUMN,
        CONTAINERS_COLUMN,
        IMAGES_COLUMN,
        Column("Selector", description=field_doc("DeploymentSpec.selector"), priority=1),
    )

    def default(self, obj: JSON) -> None:
        """Set replicas, the way of updating, and fill in the template."""
        spec = default_workload(obj)
        strategy = spec["strategy"] = spec.get("strategy") or {}
        strategy["type"] = strategy.get("type") or "RollingUpdate"
        if strategy["type"] == "RollingUpdate":
            rolling = strategy["rollingUpdate"] = strategy.get("rollingUpdate") or {}
            rolling.setdefault("maxSurge", STEP)
            rolling.setdefault("maxUnavailable", STEP)
        spec.setdefault("revisionHistoryLimit", KEPT_REVISIONS)
        spec.setdefault("progressDeadlineSeconds", PROGRESS_SECONDS)
        if not spec.get("paused"):
            spec.pop("paused", None)

    def validate(self, obj: JSON) -> Iterator[Cause]:
        """Yield what is wrong with a Deployment."""
        spec = obj["spec"]
        yield from not_negative_causes(spec["replicas"], "spec.replicas")
        yield from workload_causes(spec, "deployment")
        strategy, at = spec["strategy"], "spec.strategy"
        rolling = strategy.get("rollingUpdate")
        if strategy["type"] == "Recreate":
            if rolling is not None:
                why = "may not be specified when strategy `type` is 'Recreate'"
                yield forbidden(f"{at}.rollingUpdate", why)
        elif strategy["type"] != "RollingUpdate":
            yield not_supported(f"{at}.type", strategy["type"], STRATEGIES)
        elif rolling is not None:
            for key in ("maxUnavailable", "maxSurge"):
                yield from count_causes(rolling[key], f"{at}.rollingUpdate.{key}")
            yield from percent_causes(rolling["maxUnavailable"], f"{at}.rollingUpdate.maxUnavailable")
            if rolling["maxUnavailable"] in (0, "0%") and rolling["maxSurge"] in (0, "0%"):
                why = "may not be 0 when `maxSurge` is 0"
                yield invalid(f"{at}.rollingUpdate.maxUnavailable", rolling["maxUnavailable"], why)
        ready = spec.get("minReadySeconds", 0)
        for key in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
            yield from not_negative_causes(spec.get(key), f"spec.{key}")
        if spec["progressDeadlineSeconds"] <= ready:
            why = "must be greater than minReadySeconds"
            yield invalid("spec.progressDeadlineSeconds", spec["progressDeadlineSeconds"], why)

    def validate_update(self, obj: JSON, old: JSON) -> Iterator[Cause]:
        """Hold the selector."""
        yield from self.validate(obj)
        yield from immutable("spec.selector", obj["spec"].get("selector"), spec_of(old).get("selector"))

    def warnings(self, obj: JSON) -> Iterator[str]:
        """Yield what its pods would be warned about."""
        return spec_warnings(obj["spec"]["template"]["spec"], "spec.template.spec")

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return the row that `kubectl get deployments` shows."""
        metadata, spec, status = metadata_of(obj), spec_of(obj), status_of(obj)
        return [
            metadata.get("name", ""),
            f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
            status.get("updatedReplicas", 0),
            status.get("availableReplicas", 0),
            meta.age(metadata.get("creationTimestamp"), now),
            *containers_text(spec.get("template") or {}),
            selector_text(spec.get("selector")),
        ]


class ReplicaSetStrategy(Strategy):
    """apps/v1 replicasets."""

    group, resource, singular, kind = "apps", "replicasets", "replicaset", "ReplicaSet"
    pod_template = ("template",)
    in_view, edit_verbs = True, WRITE_VERBS
    short_names, categories = ("rs",), ("all",)
    has_generation = True
    status = CountedStatus(
        {"replicas": 0},
        condition_times=("lastTransitionTime",),
        counts=("replicas", "fullyLabeledReplicas", READY, AVAILABLE, "observedGeneration"),
        parts=("fullyLabeledReplicas", READY, AVAILABLE),
    )
    scale = SCALE_PATHS
    empty: ClassVar[JSON] = {"spec": {"selector": None, "template": EMPTY_TEMPLATE}, "status": {"replicas": 0}}
    columns = (
        NAME_COLUMN,
        Column("Desired", type="integer", description=field_doc("ReplicaSetSpec.replicas")),
        Column("Current", type="integer", description=field_doc("ReplicaSetStatus.replicas")),
        Column("Ready", type="integer", description=field_doc("ReplicaSetStatus.readyReplicas")),
        AGE_COLUMN,
        CONTAINERS_COLUMN,
        IMAGES_COLUMN,
        Column("Selector", description=field_doc("ReplicaSetSpec.selector"), priority=1),
    )

    def default(self, obj: JSON) -> None:
        """Set replicas and fill in the template."""
        default_workload(obj)

    def validate(self, obj: JSON) -> Iterator[Cause]:
        """Yield what is wrong with a ReplicaSet."""
        for key in ("replicas", "minReadySeconds"):
            yield from not_negative_causes(obj["spec"].get(key), f"spec.{key}")
        yield from workload_causes(obj["spec"], "deployment")

    def validate_update(self, obj: JSON, old: JSON) -> Iterator[Cause]:
        """Hold the selector."""
        yield from self.validate(obj)
        yield from immutable("spec.selector", obj["spec"].get("selector"), spec_of(old).get("selector"))

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return the row that `kubectl get replicasets` shows."""
        metadata, spec, status = metadata_of(obj), spec_of(obj), status_of(obj)
        return [
            metadata.get("name", ""),
            spec.get("replicas", 0),
            status.get("replicas", 0),
            status.get("readyReplicas", 0),
            meta.age(metadata.get("creationTimestamp"), now),
            *containers_text(spec.get("template") or {}),
            selector_text(spec.get("selector")),
        ]
