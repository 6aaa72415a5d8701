"""Deployments: one ReplicaSet per template, the newest with all the replicas. Pure.

Compare kubernetes/pkg/controller/deployment, v1.36. A rolling update here starts all new pods at once and
ends the old ones when as many new ones are ready: maxSurge and maxUnavailable are not counted out.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from datetime import datetime

from chalicelib.apimachinery.accessors import annotations_of, is_deleting, labels_of, metadata_of, status_of
from chalicelib.apimachinery.rules.integers import parse_int64
from chalicelib.apimachinery.rules.time import format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.workloads.plan import WorkloadPlan, owned_by, short_hash, without_zeros

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"


def plan(owner: JSON, replica_sets: list[JSON], now: datetime, ends: Collection[datetime]) -> WorkloadPlan:
    """Return what a Deployment needs now; `replica_sets` are those it owns, which see to the `ends` of pods."""
    del ends
    spec = owner["spec"]
    sets = [each for each in replica_sets if not is_deleting(each)]
    mark = short_hash(spec["template"], length=10)
    newest = next((each for each in sets if each["metadata"]["labels"].get(HASH) == mark), None)
    older = [each for each in sets if each is not newest]
    result = WorkloadPlan(_status(owner, newest, older, now))
    revision = str(max(map(_revision, older), default=0) + 1)
    if newest is not None and _revision(newest) >= int(revision):
        revision = str(_revision(newest))
    elif newest is not None:  # rolled back to
        result.annotate.append(("replicasets", newest, {REVISION: revision}))
    if annotations_of(owner).get(REVISION) != revision:
        result.annotate.append(("deployments", owner, {REVISION: revision}))
    if spec.get("paused"):
        return result
    wanted = spec.get("replicas", 1)
    is_recreated = (spec.get("strategy") or {}).get("type") == "Recreate"
    waits = is_recreated and any(status_of(each).get("replicas") for each in older)
    if newest is None:
        result.create.append(("replicasets", _replica_set(owner, mark, 0 if waits else wanted, revision)))
    elif newest["spec"].get("replicas") != wanted and not waits:
        result.scale.append((newest, wanted))
    if is_recreated or status_of(newest or {}).get("availableReplicas", 0) >= wanted:
        result.scale += [(each, 0) for each in older if each["spec"].get("replicas")]
    return result


def _revision(replica_set: JSON) -> int:
    return parse_int64(str(annotations_of(replica_set).get(REVISION, ""))) or 0


def _replica_set(owner: JSON, mark: str, replicas: int, revision: str) -> JSON:
    spec, metadata = owner["spec"], owner["metadata"]
    template = copy.deepcopy(spec["template"])
    labels = {**labels_of(template), HASH: mark}
    template["metadata"] = {**metadata_of(template), "labels": labels}
    selector = copy.deepcopy(spec["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH: mark}
    own: JSON = {"replicas": replicas, "selector": selector, "template": template}
    if spec.get("minReadySeconds"):
        own["minReadySeconds"] = spec["minReadySeconds"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{metadata['name']}-{mark}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "annotations": {REVISION: revision},
            "ownerReferences": owned_by(owner, "apps/v1", "Deployment"),
        },
        "spec": own,
    }


def _status(owner: JSON, newest: JSON | None, older: list[JSON], now: datetime) -> JSON:
    wanted = owner["spec"].get("replicas", 1)
    statuses = [status_of(each) for each in ([newest] if newest else []) + older]
    pods, ready, available = (
        sum(each.get(count, 0) for each in statuses) for count in ("replicas", "readyReplicas", "availableReplicas")
    )
    updated = status_of(newest or {}).get("replicas", 0)
    counts = {
        "observedGeneration": owner["metadata"].get("generation", 1),
        "replicas": pods,
        "updatedReplicas": updated,
        "readyReplicas": ready,
        "availableReplicas": available,
        "unavailableReplicas": max(wanted - available, 0),
    }
    conditions = status_of(owner).get("conditions") or []
    if available >= wanted:
        why = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        why = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    conditions = _with_condition(conditions, "Available", *why, now=now)
    name = newest["metadata"]["name"] if newest else ""
    if available >= wanted and updated == wanted == pods:
        why = ("True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.')
    else:
        why = ("True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')
    conditions = _with_condition(conditions, "Progressing", *why, now=now)
    return {**without_zeros(counts), "conditions": conditions}


def _with_condition(
    conditions: list[JSON], kind: str, value: str, reason: str, message: str, *, now: datetime
) -> list[JSON]:
    """Return the conditions with this one; its times move as those of a Deployment do."""
    old = next((each for each in conditions if each["type"] == kind), None)
    if old is not None and (old["status"], old["reason"]) == (value, reason):
        return conditions
    time = format_time(now)
    moved = time if old is None or old["status"] != value else old["lastTransitionTime"]
    made = {"type": kind, "status": value, "lastUpdateTime": time, "lastTransitionTime": moved}
    made |= {"reason": reason, "message": message}
    if old is None:
        return [*conditions, made]
    return [made if each is old else each for each in conditions]
