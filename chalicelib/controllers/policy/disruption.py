"""Disruption budgets: whether a pod may be evicted now, and the counts that PodDisruptionBudgets show.

Compare kubernetes/pkg/registry/core/pod/storage/eviction.go and pkg/controller/disruption, v1.36. Expected are the
pods that a budget selects and that have not ended; a workload's replicas that have no pod yet are not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from chalicelib.apimachinery.accessors import is_deleting, is_terminal, phase_of, spec_of, status_of
from chalicelib.apimachinery.rules.selectors import label_selector_of
from chalicelib.apimachinery.rules.status import Cause, StatusError, bad_request, too_many_requests
from chalicelib.apimachinery.rules.time import format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.keys import object_key, prefix
from chalicelib.storage.base import KeyNotFound, Storage, guaranteed_update

BUDGETS = "poddisruptionbudgets"
CAUSE = "DisruptionBudget"
WOULD_VIOLATE = "Cannot evict pod as it would violate the pod's disruption budget."
SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
PROCESSING_SECONDS = 10  # when to ask again, where nobody has counted for a budget yet


@dataclass(frozen=True, slots=True)
class Counts:
    """The pods that a budget expects, wants healthy, and finds healthy."""

    expected: int
    desired: int
    healthy: int

    @property
    def allowed(self) -> int:
        """Return how many may be evicted."""
        return max(0, self.healthy - self.desired) if self.expected else 0


def counts_of(budget: JSON, pods: list[JSON]) -> Counts:
    """Return the counts of a budget over the pods of its namespace."""
    spec = spec_of(budget)
    chosen = [pod for pod in pods if _selects(budget, pod) and not is_terminal(pod)]
    low, high = spec.get("minAvailable"), spec.get("maxUnavailable")
    if high is not None:
        desired = max(0, len(chosen) - _share(high, len(chosen)))
    else:
        desired = _share(low if low is not None else 0, len(chosen))
    return Counts(len(chosen), desired, sum(is_ready(pod) and not is_deleting(pod) for pod in chosen))


def is_ready(pod: JSON) -> bool:
    """Return whether a pod's Ready condition is true."""
    conditions = status_of(pod).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def _share(count: int | str, total: int) -> int:
    """Return a number, or the percentage of a total, rounded up."""
    return -(-int(count[:-1]) * total // 100) if isinstance(count, str) else count


def _selects(budget: JSON, pod: JSON) -> bool:
    selector = label_selector_of(spec_of(budget).get("selector"))
    return selector.matches(pod["metadata"].get("labels"))


class Budgets:
    """Counts for the budgets of a control plane that runs pods; one that runs none goes by what is stored."""

    def __init__(self, *, storage: Storage, clock: Callable[[], datetime], counts: bool) -> None:
        self._storage = storage
        self._clock = clock
        self._counts = counts

    def take(self, pod: JSON, *, is_dry_run: bool) -> None:
        """Take from the pod's budget. Raises 429 if it allows no eviction now, 400 if there are several."""
        phase = phase_of(pod)
        if is_terminal(pod) or phase == "Pending" or is_deleting(pod):
            return
        namespace, found = (
            pod["metadata"]["namespace"],
            [each for each in self._all(pod) if _selects(each, pod)],
        )
        if len(found) > 1:
            raise bad_request(SEVERAL)
        if not found:
            return
        name = found[0]["metadata"]["name"]
        if self._counts:
            self.sync(namespace, name)
        take = partial(_taken, pod=pod, now=format_time(self._clock()))
        key = object_key(BUDGETS, namespace, name)
        try:
            budget = self._storage.get(key).object()
            if is_dry_run or self._counts:  # a pod that is being deleted is not counted again
                take(budget)
            else:
                guaranteed_update(self._storage, key, take)
        except KeyNotFound:
            return

    def sync(self, namespace: str, name: str) -> None:
        """Write what a budget's pods are. Repeatable."""
        pods = [item.object() for item in self._storage.list(prefix("pods", namespace)).items]
        try:
            guaranteed_update(
                self._storage, object_key(BUDGETS, namespace, name), partial(_counted, pods=pods)
            )
        except KeyNotFound:
            return

    def sweep(self) -> None:
        """Write what the pods of every budget are."""
        for item in self._storage.list(prefix(BUDGETS)).items:
            metadata = item.object()["metadata"]
            self.sync(metadata["namespace"], metadata["name"])

    def _all(self, pod: JSON) -> Iterator[JSON]:
        items = self._storage.list(prefix(BUDGETS, pod["metadata"]["namespace"])).items
        return (item.object() for item in items)


def _counted(budget: JSON, *, pods: list[JSON]) -> JSON | None:
    counts, status = counts_of(budget, pods), status_of(budget)
    new = {
        **status,
        "observedGeneration": budget["metadata"].get("generation", 1),
        "expectedPods": counts.expected,
        "desiredHealthy": counts.desired,
        "currentHealthy": counts.healthy,
        "disruptionsAllowed": counts.allowed,
    }
    return None if new == status else {**budget, "status": new}


def _taken(budget: JSON, *, pod: JSON, now: str) -> JSON | None:
    """Return the budget after an eviction of `pod`. Raises 429 if it allows none."""
    metadata, status = budget["metadata"], status_of(budget)
    name = metadata["name"]
    desired, healthy = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
    policy = spec_of(budget).get("unhealthyPodEvictionPolicy")
    if not is_ready(pod) and (policy == "AlwaysAllow" or (healthy >= desired and desired > 0)):
        return None
    if status.get("observedGeneration", 0) < metadata.get("generation", 0):
        why = f"The disruption budget {name} is still being processed by the server."
        raise _violated(why, PROCESSING_SECONDS)
    if status.get("disruptionsAllowed", 0) <= 0:
        why = f"The disruption budget {name} needs {desired} healthy pods and has {healthy} currently"
        raise _violated(why, None)
    gone = {**(status.get("disruptedPods") or {}), pod["metadata"]["name"]: now}
    left = {"disruptionsAllowed": status["disruptionsAllowed"] - 1, "disruptedPods": gone}
    return {**budget, "status": {**status, **left}}


def _violated(why: str, retry_after_seconds: int | None) -> StatusError:
    error = too_many_requests(WOULD_VIOLATE)
    error.retry_after_seconds = retry_after_seconds
    error.details = {"causes": [Cause(CAUSE, why, "").to_dict()]}
    return error
