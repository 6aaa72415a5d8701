"""Deployments: one ReplicaSet per template, the newest with all the replicas. Pure.

Compare kubernetes/pkg/controller/deployment, v1.36. A rolling update here starts all new pods at once and
ends the old ones when as many new ones are ready: maxSurge and maxUnavailable are not counted out.
"""

from __future__ import annotations

import copy
from datetime import datetime

from chalicelib.apimachinery.accessors import is_deleting, labels_of, metadata_of, status_of
from chalicelib.apimachinery.rules.time import format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.workloads.plan import WorkloadPlan, owned_by, short_hash, without_zeros

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"


def plan(owner: JSON, replica_sets: list[JSON], now: datetime) -> WorkloadPlan:
    """Return what a Deployment needs now; `replica_sets` are those it owns."""
    spec = owner["spec"]
    sets = [each for each in replica_sets if not is_deleting(each)]
    mark = short_hash(spec["template"], length=10)
    newest = next((each for each in sets if each["metadata"]["labels"].get(HASH) == mark), None)
    older = [each for each in sets if each is not newest]
    result = WorkloadPlan(_status(owner, newest, older, now))
    if spec.get("paused"):
        return result
    wanted = spec.get("replicas", 1)
    old_pods = sum(status_of(each).get("replicas", 0) for each in older)
    is_recreated = (spec.get("strategy") or {}).get("type") == "Recreate"
    if newest is None:
        start = 0 if is_recreated and old_pods else wanted
        result.create.append(("replicasets", _replica_set(owner, mark, start, len(sets))))
    elif newest["spec"].get("replicas") != wanted and not (is_recreated and old_pods):
        result.scale.append((newest, wanted))
    available = status_of(newest or {}).get("availableReplicas", 0)
    if is_recreated or available >= wanted:
        result.scale += [(each, 0) for each in older if each["spec"].get("replicas")]
    return result


def _replica_set(owner: JSON, mark: str, replicas: int, older: int) -> JSON:
    spec, metadata = owner["spec"], owner["metadata"]
    template = copy.deepcopy(spec["template"])
    labels = {**labels_of(template), HASH: mark}
    template["metadata"] = {**metadata_of(template), "labels": labels}
    selector = copy.deepcopy(spec["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH: mark}
    annotations = {REVISION: str(older + 1)}
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
            "annotations": annotations,
            "ownerReferences": owned_by(owner, "apps/v1", "Deployment"),
        },
        "spec": own,
    }


def _status(owner: JSON, newest: JSON | None, older: list[JSON], now: datetime) -> JSON:
    wanted = owner["spec"].get("replicas", 1)
    all_of = [status_of(each) for each in ([newest] if newest else []) + older]
    available = sum(each.get("availableReplicas", 0) for each in all_of)
    status: JSON = {
        "observedGeneration": owner["metadata"].get("generation", 1),
        "replicas": sum(each.get("replicas", 0) for each in all_of),
        "updatedReplicas": status_of(newest or {}).get("replicas", 0),
        "readyReplicas": sum(each.get("readyReplicas", 0) for each in all_of),
        "availableReplicas": available,
        "unavailableReplicas": max(wanted - available, 0),
    }
    conditions = [dict(each) for each in status_of(owner).get("conditions") or ()]
    has_all = available >= wanted
    _set(
        conditions,
        ("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        if has_all
        else (
            "Available",
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        ),
        now,
    )
    name = newest["metadata"]["name"] if newest else ""
    is_complete = has_all and status["updatedReplicas"] == wanted == status["replicas"]
    _set(
        conditions,
        ("Progressing", "True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.')
        if is_complete
        else ("Progressing", "True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.'),
        now,
    )
    return {**without_zeros(status), "conditions": conditions}


def _set(conditions: list[JSON], wanted: tuple[str, str, str, str], now: datetime) -> None:
    kind, value, reason, message = wanted
    time = format_time(now)
    for found in conditions:
        if found["type"] == kind:
            if (found["status"], found["reason"]) != (value, reason):
                if found["status"] != value:
                    found["lastTransitionTime"] = time
                found |= {"status": value, "reason": reason, "message": message, "lastUpdateTime": time}
            return
    made = {"type": kind, "status": value, "lastUpdateTime": time, "lastTransitionTime": time}
    conditions.append({**made, "reason": reason, "message": message})
