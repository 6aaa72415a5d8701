"""StatefulSets.

Compare kubernetes/pkg/apis/apps/v1/defaults.go and validation, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery.accessors import metadata_of, spec_of, status_of
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.causes import forbidden, invalid, not_supported, required
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, SCALE_PATHS, Column, Strategy
from chalicelib.registry.subresources import WRITE_VERBS
from chalicelib.resources.pods.defaults import EMPTY_TEMPLATE
from chalicelib.resources.pods.validation import spec_warnings
from chalicelib.resources.shared.table_text import containers_text
from chalicelib.resources.volumes.claims import PersistentVolumeClaimStrategy
from chalicelib.resources.workloads.counts import not_negative_causes
from chalicelib.resources.workloads.deployments import KEPT_REVISIONS
from chalicelib.resources.workloads.status_counts import AVAILABLE, READY, CountedStatus
from chalicelib.resources.workloads.workload import CONTAINERS_COLUMN, IMAGES_COLUMN, default_workload, workload_causes

POD_POLICIES = ("OrderedReady", "Parallel")
UPDATE_STRATEGIES = ("OnDelete", "RollingUpdate")
_FREE_TEXT = (
    "replicas ordinals template updateStrategy revisionHistoryLimit persistentVolumeClaimRetentionPolicy"
    " minReadySeconds"
)
_FREE = tuple(_FREE_TEXT.split())
_CLAIMS = PersistentVolumeClaimStrategy()

PARTS = (READY, "currentReplicas", "updatedReplicas", AVAILABLE)


class StatefulSetStrategy(Strategy):
    """apps/v1 statefulsets."""

    group, resource, singular, kind = "apps", "statefulsets", "statefulset", "StatefulSet"
    pod_template = ("template",)
    in_view, edit_verbs = True, WRITE_VERBS
    short_names, categories = ("sts",), ("all",)
    has_generation = True
    status = CountedStatus(
        {"replicas": 0, "availableReplicas": 0},
        condition_times=("lastTransitionTime",),
        counts=("replicas", *PARTS, "observedGeneration", "collisionCount"),
        parts=PARTS,
        ready_name=f"status.{READY}",
    )
    scale = SCALE_PATHS
    empty: ClassVar[JSON] = {
        "spec": {"selector": None, "template": EMPTY_TEMPLATE, "updateStrategy": {}},
        "status": {"replicas": 0, "availableReplicas": 0},
    }
    columns = (
        NAME_COLUMN,
        Column("Ready", description="Number of the pod with ready state"),
        AGE_COLUMN,
        CONTAINERS_COLUMN,
        IMAGES_COLUMN,
    )

    def default(self, obj: JSON) -> None:
        """Set replicas, order and ways of updating, and fill in the templates."""
        spec = default_workload(obj)
        spec["podManagementPolicy"] = spec.get("podManagementPolicy") or "OrderedReady"
        strategy = spec["updateStrategy"] = spec.get("updateStrategy") or {}
        strategy["type"] = strategy.get("type") or "RollingUpdate"
        if strategy["type"] == "RollingUpdate":
            rolling = strategy["rollingUpdate"] = strategy.get("rollingUpdate") or {}
            rolling.setdefault("partition", 0)
            rolling.setdefault("maxUnavailable", 1)
        spec.setdefault("revisionHistoryLimit", KEPT_REVISIONS)
        retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
        spec["persistentVolumeClaimRetentionPolicy"] = {"whenDeleted": "Retain", "whenScaled": "Retain", **retention}
        if not spec.get("serviceName"):
            spec.pop("serviceName", None)
        for claim in spec.get("volumeClaimTemplates") or ():
            claim.update({"apiVersion": "v1", "kind": "PersistentVolumeClaim"})
            claim.setdefault("metadata", {})
            _CLAIMS.default(claim)
            claim["status"] = {"phase": "Pending"}

    def validate(self, obj: JSON) -> Iterator[Cause]:
        """Yield what is wrong with a StatefulSet."""
        spec = obj["spec"]
        if spec["podManagementPolicy"] not in POD_POLICIES:
            why = f"must be '{POD_POLICIES[0]}' or '{POD_POLICIES[1]}'"
            yield invalid("spec.podManagementPolicy", spec["podManagementPolicy"], why)
        strategy = spec["updateStrategy"]
        if strategy["type"] not in UPDATE_STRATEGIES:
            why = f"must be '{UPDATE_STRATEGIES[1]}' or '{UPDATE_STRATEGIES[0]}'"
            yield invalid("spec.updateStrategy", strategy, why)
        elif strategy["type"] == "OnDelete" and strategy.get("rollingUpdate") is not None:
            why = "only allowed for updateStrategy 'RollingUpdate'"
            yield invalid("spec.updateStrategy.rollingUpdate", strategy["rollingUpdate"], why)
        else:
            partition = (strategy.get("rollingUpdate") or {}).get("partition")
            yield from not_negative_causes(partition, "spec.updateStrategy.rollingUpdate.partition")
        for key, policy in spec["persistentVolumeClaimRetentionPolicy"].items():
            if policy not in ("Delete", "Retain"):
                field = f"spec.persistentVolumeClaimRetentionPolicy.{key}"
                yield not_supported(field, policy, ("Delete", "Retain"))
        for key in ("replicas", "minReadySeconds"):
            yield from not_negative_causes(spec.get(key), f"spec.{key}")
        for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
            if not claim["metadata"].get("name"):
                yield required(f"spec.volumeClaimTemplates[{index}].metadata.name")
        yield from workload_causes(spec, "statefulset")

    def validate_update(self, obj: JSON, old: JSON) -> Iterator[Cause]:
        """Hold what makes the set and its claims what they are."""
        yield from self.validate(obj)
        spec, before = obj["spec"], spec_of(old)
        if any(spec.get(key) != before.get(key) for key in (spec.keys() | before.keys()) - set(_FREE)):
            quoted = [f"'{key}'" for key in _FREE]
            words = f"{', '.join(quoted[:-1])} and {quoted[-1]}"
            why = f"updates to statefulset spec for fields other than {words} are forbidden"
            yield forbidden("spec", why)

    def warnings(self, obj: JSON) -> Iterator[str]:
        """Yield what its pods would be warned about."""
        return spec_warnings(obj["spec"]["template"]["spec"], "spec.template.spec")

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return the row that `kubectl get statefulsets` shows."""
        metadata, spec, status = metadata_of(obj), spec_of(obj), status_of(obj)
        return [
            metadata.get("name", ""),
            f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
            meta.age(metadata.get("creationTimestamp"), now),
            *containers_text(spec.get("template") or {}),
        ]
