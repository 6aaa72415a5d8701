"""Workloads whose pods fail, or cannot be started, for an hour: how many pods and Events come of that."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.providers.base import TaskRejected
from chalicelib.registry.options import WriteOptions
from tests.unit.controllers.world import World

HOUR, STEP = 3600, 5  # seconds
LABELS = {"app": "x"}
ENDLESS = 10**6
RESOURCES = ["jobs", "replicasets", "statefulsets", "deployments"]


def make(w: World, resource: str, command: list[str], replicas: int = 2) -> None:
    """Create a workload of two pods."""
    spec: JSON = {"containers": [{"name": "c", "image": "image:1", "command": command}]}
    template = {"metadata": {"labels": LABELS}, "spec": spec}
    if resource == "jobs":
        spec["restartPolicy"] = "Never"
        job = {"template": template, "backoffLimit": ENDLESS, "parallelism": replicas, "completions": replicas}
        w.create(resource, "s", spec=job)
    else:
        parallel = {"podManagementPolicy": "Parallel"} if resource == "statefulsets" else {}
        selector = {"matchLabels": LABELS}
        w.create(resource, "s", spec={"selector": selector, "template": template, "replicas": replicas, **parallel})


def an_hour(w: World, each_time: Callable[[], object]) -> None:
    """Let the control plane do its chores for an hour."""
    to = w.controllers
    for second in range(0, HOUR, STEP):
        each_time()
        w.observe_all()
        to.pods.retry()
        to.workloads.run_due()
        if second % 10 == 0:
            w.resync()
        if second % 60 == 0:
            to.workloads.sweep()
        w.pass_time(STEP)


def counts(w: World) -> tuple[int, int, int]:
    """Return how many pods were ever made, how many are stored, and how many Events."""
    made = 0
    revision = 1  # the first is the namespace's
    while batch := w.storage.events_after("/registry/pods/", revision).events:
        made += sum(each.type == "ADDED" for each in batch)
        revision = batch[-1].revision
    stored = len(w.storage.list("/registry/pods/").items)
    return made, stored, len(w.storage.list("/registry/events/").items)


@pytest.mark.parametrize("resource", RESOURCES)
def test_pods_that_are_refused_for_an_hour_are_the_only_ones(w: World, resource: str) -> None:
    def refuse() -> None:
        w.provider.failures = [TaskRejected("CreateContainerError", "no command")] * 10

    refuse()
    make(w, resource, [])

    an_hour(w, refuse)

    made, stored, events = counts(w)
    assert (made, stored) == (2, 2)
    assert events <= 6


# Pods made in an hour, two at a time: at once, then after 10 s, 20 s and so on up to 10 minutes.
@pytest.mark.parametrize(
    ("resource", "most"), [("jobs", 22), ("replicasets", 26), ("statefulsets", 26), ("deployments", 26)]
)
@pytest.mark.parametrize("script", ["exit 1", "exit 0"])
def test_pods_that_end_at_once_for_an_hour_come_more_and_more_slowly(
    w: World, resource: str, script: str, most: int
) -> None:
    make(w, resource, ["sh", "-c", script])

    an_hour(w, lambda: None)

    made, _, events = counts(w)
    assert 2 <= made <= most
    assert events <= 6 * most


@pytest.mark.parametrize("resource", RESOURCES)
def test_pods_that_a_quota_refuses_for_an_hour_are_asked_for_ever_more_seldom(w: World, resource: str) -> None:
    w.create("resourcequotas", "q", spec={"hard": {"pods": "0"}})
    make(w, resource, [])

    an_hour(w, lambda: None)

    stored = [item.object() for item in w.storage.list("/registry/events/").items]
    refusals = sum(each["count"] for each in stored if each["reason"] == "FailedCreate")
    made, _, events = counts(w)
    assert (made, events) == (0, 1)
    assert 15 <= refusals <= 90  # each minute a sweep asks, too


@pytest.mark.parametrize("resource", ["replicasets", "statefulsets", "deployments"])
def test_first_pod_that_fails_is_replaced_at_once(w: World, resource: str) -> None:
    make(w, resource, ["sh", "-c", "sleep 600"], replicas=1)
    first = w.storage.list("/registry/pods/").items[0].object()

    w.provider.finish(f"fake-{first['metadata']['uid']}", 1)
    w.observe_all()

    living = [item.object() for item in w.storage.list("/registry/pods/").items if '"Failed"' not in item.json]
    assert [each["metadata"]["uid"] == first["metadata"]["uid"] for each in living] == [False]


def test_a_set_with_another_template_does_not_wait_for_the_failures_of_the_old_one(w: World) -> None:
    make(w, "statefulsets", ["sh", "-c", "exit 1"], replicas=1)
    for _ in range(60):
        w.observe_all()
        w.controllers.workloads.run_due()
        w.pass_time(1)
    registry = w.registries["apps", "statefulsets"]
    stored = registry.typed(registry.get("ns", "s"))
    stored["spec"]["template"]["spec"]["containers"][0]["command"] = ["sh", "-c", "sleep 600"]

    registry.update("ns", "s", stored, WriteOptions())
    w.observe_all()

    assert w.phase("s-0") == "Running"
