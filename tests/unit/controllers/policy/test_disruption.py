"""Disruption budgets: what they count, and which evictions they refuse."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.policy.disruption import Budgets, counts_of
from chalicelib.registry.keys import object_key
from tests.memory_storage import MemoryStorage

LABELS = {"app": "x"}


def _pod(
    name: str, *, ready: bool = True, phase: str = "Running", **metadata: Any
) -> JSON:  # Any: its fields
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    named = {"name": name, "namespace": "ns", "uid": name, "labels": LABELS, **metadata}
    return {"metadata": named, "spec": {}, "status": {"phase": phase, "conditions": conditions}}


def _budget(name: str = "b", **spec: Any) -> JSON:  # Any: fields of a spec
    metadata = {"name": name, "namespace": "ns", "uid": name, "generation": 1}
    return {"metadata": metadata, "spec": {"selector": {"matchLabels": LABELS}, **spec}, "status": {}}


class _World:
    def __init__(self, *objects: tuple[str, JSON], counts: bool = True) -> None:
        self.storage = MemoryStorage()
        for resource, obj in objects:
            self.storage.create(object_key(resource, "ns", obj["metadata"]["name"]), obj)
        now = datetime(2026, 7, 1, tzinfo=UTC)
        self.budgets = Budgets(storage=self.storage, clock=lambda: now, counts=counts)

    def evict(self, pod: JSON) -> str:
        """Return why a pod may not be evicted, "" if it may."""
        try:
            self.budgets.take(pod, is_dry_run=False)
        except StatusError as error:
            cause = (error.details or {})["causes"][0]["message"]
            return str(cause) if error.code == 429 else f"{error.code} {cause}"
        return ""

    def status(self, name: str = "b") -> JSON:
        """Return the status of a budget."""
        found: JSON = self.storage.get(object_key("poddisruptionbudgets", "ns", name)).object()["status"]
        return found


@pytest.mark.parametrize(
    ("spec", "desired", "allowed"),
    [
        ({"minAvailable": 2}, 2, 1),
        ({"minAvailable": "50%"}, 2, 1),
        ({"minAvailable": 5}, 5, 0),
        ({"maxUnavailable": 1}, 2, 1),
        ({"maxUnavailable": "34%"}, 1, 2),
        ({"maxUnavailable": 7}, 0, 3),
        ({}, 0, 3),
    ],
)
def test_a_budget_counts_the_pods_it_selects(spec: JSON, desired: int, allowed: int) -> None:
    others = [_pod("other", labels={"app": "y"}), _pod("ended", phase="Succeeded")]

    counts = counts_of(_budget(**spec), [_pod("a"), _pod("b"), _pod("c"), *others])

    assert (counts.expected, counts.desired, counts.healthy, counts.allowed) == (3, desired, 3, allowed)


def test_pods_that_go_or_are_not_ready_are_not_healthy() -> None:
    going = _pod("b", deletionTimestamp="2026-07-01T00:00:00Z")

    counts = counts_of(_budget(minAvailable=1), [_pod("a"), going, _pod("c", ready=False)])

    assert (counts.expected, counts.healthy, counts.allowed) == (3, 1, 0)


def test_an_eviction_beyond_the_budget_is_refused() -> None:
    world = _World(("poddisruptionbudgets", _budget(minAvailable=1)), ("pods", _pod("a")))

    assert world.evict(_pod("a")) == "The disruption budget b needs 1 healthy pods and has 1 currently"
    assert world.status() == {
        "observedGeneration": 1,
        "expectedPods": 1,
        "desiredHealthy": 1,
        "currentHealthy": 1,
        "disruptionsAllowed": 0,
    }


def test_an_eviction_within_the_budget_is_let_through() -> None:
    world = _World(("poddisruptionbudgets", _budget(maxUnavailable=1)), ("pods", _pod("a")))

    assert world.evict(_pod("a")) == ""


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
def test_a_pod_that_does_not_run_may_always_go(phase: str) -> None:
    world = _World(("poddisruptionbudgets", _budget(minAvailable=1)))

    assert world.evict(_pod("a", phase=phase)) == ""


def test_a_pod_that_is_not_ready_may_go_where_the_policy_says_so() -> None:
    budget = _budget(minAvailable=1, unhealthyPodEvictionPolicy="AlwaysAllow")
    world = _World(("poddisruptionbudgets", budget), ("pods", _pod("a", ready=False)))

    assert world.evict(_pod("a", ready=False)) == ""


def test_a_pod_of_two_budgets_is_not_evicted() -> None:
    world = _World(("poddisruptionbudgets", _budget("b")), ("poddisruptionbudgets", _budget("c")))

    with pytest.raises(StatusError, match="more than one PodDisruptionBudget"):
        world.budgets.take(_pod("a"), is_dry_run=False)


def test_who_runs_no_pods_goes_by_what_somebody_else_has_counted() -> None:
    world = _World(("poddisruptionbudgets", _budget(minAvailable=1)), counts=False)
    unknown = world.evict(_pod("a"))
    key = object_key("poddisruptionbudgets", "ns", "b")
    stored = world.storage.get(key)
    counted = {**_budget(minAvailable=1), "status": {"observedGeneration": 1, "disruptionsAllowed": 1}}
    world.storage.update(key, counted, expected_revision=stored.revision)

    first, second = world.evict(_pod("a")), world.evict(_pod("c"))

    assert unknown == "The disruption budget b is still being processed by the server."
    assert (first, second) == ("", "The disruption budget b needs 0 healthy pods and has 0 currently")
    assert world.status()["disruptedPods"] == {"a": "2026-07-01T00:00:00Z"}


def test_a_sweep_counts_for_every_budget() -> None:
    world = _World(
        ("poddisruptionbudgets", _budget(minAvailable=1)), ("pods", _pod("a")), ("pods", _pod("c"))
    )

    world.budgets.sweep()

    assert world.status()["disruptionsAllowed"] == 1
