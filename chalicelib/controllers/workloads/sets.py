"""ReplicaSets and StatefulSets: as many pods as asked for, nameless or by number. Pure.

Compare kubernetes/pkg/controller/replicaset and .../statefulset, v1.36. Claims of a StatefulSet are always kept.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from datetime import datetime

from chalicelib.apimachinery.accessors import (
    is_deleting,
    is_terminal,
    labels_of,
    metadata_of,
    phase_of,
    spec_of,
    status_of,
)
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.workloads.plan import (
    WorkloadPlan,
    fresh_names,
    is_active,
    is_ready,
    names_of,
    owned_by,
    pause_left,
    pod_from,
    short_hash,
    without_zeros,
)

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
REVISION = "controller-revision-hash"
POD_NAME, POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"


def replica_set_plan(owner: JSON, pods: list[JSON], now: datetime, ends: Collection[datetime]) -> WorkloadPlan:
    """Return what a ReplicaSet needs now; finished pods don't count and stay.

    `ends` says when pods of it have ended by themselves in the last hour: each makes the next one wait longer.
    """
    spec, metadata = owner["spec"], owner["metadata"]
    active = [pod for pod in pods if is_active(pod)]
    missing = spec.get("replicas", 1) - len(active)
    ready = sum(is_ready(pod) for pod in active)
    status = {
        "replicas": len(active),
        "fullyLabeledReplicas": len(active),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "observedGeneration": metadata.get("generation", 1),
    }
    result = WorkloadPlan(without_zeros(status, "replicas"))
    pause = pause_left(ends, now)
    if missing > 0 and pause > 0:
        result.due_seconds = pause
    elif missing > 0:
        owners = owned_by(owner, "apps/v1", "ReplicaSet")
        for name in fresh_names(owner, missing, names_of(pods)):
            made = pod_from(spec["template"], name=name, namespace=metadata["namespace"], owners=owners)
            result.create.append(("pods", made))
    elif missing < 0:
        result.delete = sorted(active, key=_deletion_rank)[:-missing]
    return result


def _deletion_rank(pod: JSON) -> tuple[bool, bool, bool, int, str, str]:
    """Return a key that sorts first what is missed least: not placed, not running, not ready, cheap, young."""
    metadata = pod["metadata"]
    cost = (metadata.get("annotations") or {}).get(DELETION_COST, "0")
    digits = cost.removeprefix("-")
    price = int(cost) if digits.isdecimal() else 0
    created = metadata.get("creationTimestamp") or ""
    younger_first = "".join(chr(0x7F - ord(each)) for each in created)
    running = phase_of(pod) == "Running"
    placed = bool(pod["spec"].get("nodeName"))
    return placed, running, is_ready(pod), price, younger_first, metadata["name"]


def stateful_set_plan(owner: JSON, pods: list[JSON], now: datetime, ends: Collection[datetime]) -> WorkloadPlan:
    """Return what a StatefulSet needs now; a pod that has ended is replaced under its name, `ends` as above."""
    return _Numbered(owner, pods).plan(pause=pause_left(ends, now))


class _Numbered:
    """One look at a StatefulSet."""

    def __init__(self, owner: JSON, pods: list[JSON]) -> None:
        self._owner, self._spec, self._metadata = owner, owner["spec"], owner["metadata"]
        self._status: JSON = status_of(owner)
        self._revision = f"{self._metadata['name']}-{short_hash(self._spec['template'], length=10)}"
        base = f"{self._metadata['name']}-"
        named = {pod["metadata"]["name"]: pod for pod in pods if pod["metadata"]["name"].startswith(base)}
        numbered = ((name.removeprefix(base), pod) for name, pod in named.items())
        self._by_number = {int(number): pod for number, pod in numbered if number.isdecimal()}
        start = (self._spec.get("ordinals") or {}).get("start") or 0
        self._wanted = range(start, start + self._spec.get("replicas", 1))
        self._is_parallel = self._spec.get("podManagementPolicy") == "Parallel"

    def plan(self, *, pause: float) -> WorkloadPlan:
        """Return what to do. A pod that has ended stays until the pause is over, one of an older template does not."""
        result = WorkloadPlan(self._new_status())
        ended = [pod for pod in self._by_number.values() if is_terminal(pod) and not is_deleting(pod)]
        result.delete = [pod for pod in ended if pause <= 0 or not self._is_updated(pod)]
        if len(result.delete) < len(ended):
            result.due_seconds = pause
        missing = [each for each in self._wanted if each not in self._by_number]
        for number in missing if self._is_parallel else self._next_missing():
            result.create += self._made(number)
        extra = sorted((each for each in self._by_number if each not in self._wanted), reverse=True)
        if self._is_parallel:
            result.delete += [self._by_number[each] for each in extra if is_active(self._by_number[each])]
        elif not result.create and self._is_settled():
            going = [self._by_number[each] for each in extra]
            if going and not any(is_deleting(pod) for pod in going):
                result.delete.append(going[0])
        if not result.create and not result.delete and self._is_settled() and not extra:
            result.delete += self._outdated()
        return result

    def _next_missing(self) -> list[int]:
        for number in self._wanted:
            pod = self._by_number.get(number)
            if pod is None:
                return [number]
            if not is_active(pod) or not is_ready(pod):
                return []
        return []

    def _is_settled(self) -> bool:
        wanted = [self._by_number.get(each) for each in self._wanted]
        return all(pod is not None and is_active(pod) and is_ready(pod) for pod in wanted)

    def _outdated(self) -> list[JSON]:
        """Return the pod with the highest number that is of another template, if an update shall replace it."""
        strategy = self._spec.get("updateStrategy") or {}
        if strategy.get("type") == "OnDelete":
            return []
        partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
        for number in sorted(self._by_number, reverse=True):
            pod = self._by_number[number]
            if number >= partition and not self._is_updated(pod):
                return [pod]
        return []

    def _is_updated(self, pod: JSON) -> bool:
        return labels_of(pod).get(REVISION) == self._revision

    def _made(self, number: int) -> list[tuple[str, JSON]]:
        name, namespace = f"{self._metadata['name']}-{number}", self._metadata["namespace"]
        owners = owned_by(self._owner, "apps/v1", "StatefulSet")
        pod = pod_from(self._spec["template"], name=name, namespace=namespace, owners=owners)
        labels = {POD_NAME: name, POD_INDEX: str(number), REVISION: self._revision}
        pod["metadata"]["labels"] = {**pod["metadata"].get("labels", {}), **labels}
        # the set's names, whatever the template says: without a serviceName there is no subdomain
        pod["spec"] |= {"hostname": name, "subdomain": self._spec.get("serviceName") or ""}
        made: list[tuple[str, JSON]] = []
        volumes = {each["name"]: each for each in pod["spec"].get("volumes") or ()}
        for template in self._spec.get("volumeClaimTemplates") or ():
            metadata, volume = copy.deepcopy(metadata_of(template)), template["metadata"]["name"]
            metadata |= {"name": f"{volume}-{name}", "namespace": namespace}
            selected = (self._spec.get("selector") or {}).get("matchLabels") or {}
            metadata["labels"] = {**metadata.get("labels", {}), **selected}
            claim = {"metadata": metadata, "spec": copy.deepcopy(spec_of(template))}
            typed = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claim}
            made.append(("persistentvolumeclaims", typed))
            volumes.pop(volume, None)
            source = {"claimName": metadata["name"]}
            volumes[volume] = {"name": volume, "persistentVolumeClaim": source}
        if volumes:
            pod["spec"]["volumes"] = list(volumes.values())
        return [*made, ("pods", pod)]

    def _new_status(self) -> JSON:
        pods = [pod for pod in self._by_number.values() if not is_terminal(pod)]
        ready = sum(is_ready(pod) and not is_deleting(pod) for pod in pods)
        updated = sum(self._is_updated(pod) for pod in pods)
        current = self._status.get("currentRevision") or self._revision
        if updated == len(pods) and len(pods) == len(self._wanted):
            current = self._revision
        of_current = updated if current == self._revision else len(pods) - updated
        status = {
            "observedGeneration": self._metadata.get("generation", 1),
            "replicas": len(pods),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "currentReplicas": of_current,
            "updatedReplicas": updated,
            "currentRevision": current,
            "updateRevision": self._revision,
            "collisionCount": 0,
        }
        return without_zeros(status, "replicas", "availableReplicas", "collisionCount")
