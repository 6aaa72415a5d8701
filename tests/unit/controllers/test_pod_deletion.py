"""Deleted pods: stopped with their grace, removed when they have ended."""

from __future__ import annotations

import pytest

from tests.unit.controllers.builders import MOUNTS
from tests.unit.controllers.world import World


def test_deleted_pod_is_stopped_with_its_grace_and_removed_when_it_has_ended(w: World) -> None:
    w.create_pod(terminationGracePeriodSeconds=7)
    w.observe_all()
    uid = w.pod()["metadata"]["uid"]

    w.delete("pods", "a")

    assert w.provider.stops == [(f"fake-{uid}", 7.0)]
    assert w.get("pods", "a") is not None
    w.observe_all()
    assert w.get("pods", "a") is None
    assert w.provider.list_tasks() == []


def test_last_state_of_a_deleted_pod_tells_how_it_ended(w: World) -> None:
    w.create_pod()
    w.observe_all()
    w.delete("pods", "a")
    before = w.storage.revision()

    w.observe_all()

    events = w.storage.events_after("/registry/pods/", before).events
    assert [event.type for event in events] == ["DELETED"]
    assert '"exitCode":143' in events[0].json


def test_second_delete_with_a_shorter_grace_stops_sooner(w: World) -> None:
    w.create_pod()
    w.provider.hold_pending = True

    w.delete("pods", "a")
    w.delete("pods", "a", grace_seconds=2)

    assert [grace for _, grace in w.provider.stops] == [30.0, 2.0]


@pytest.mark.parametrize("grace_seconds", [7, 2])
def test_a_pod_that_ignores_sigterm_lasts_its_grace_and_no_longer(w: World, grace_seconds: int) -> None:
    w.provider.ignores_sigterm = True
    w.create_pod(terminationGracePeriodSeconds=7)
    w.observe_all()
    w.delete("pods", "a")
    w.delete("pods", "a", grace_seconds=grace_seconds)

    let_pass(w, grace_seconds - 1)
    before = w.storage.revision()
    assert (w.phase(), "deletionTimestamp" in w.pod()["metadata"]) == ("Running", True)
    let_pass(w, 1)

    assert w.get("pods", "a") is None
    (last,) = w.storage.events_after("/registry/pods/", before).events
    assert '"exitCode":137' in last.json


def let_pass(w: World, seconds: float) -> None:
    """Let time pass, after which the controllers do their chores and hear what has become of tasks."""
    w.pass_time(seconds)
    w.provider.end_graces()
    w.run_chores()
    w.observe_all()


def test_forced_delete_leaves_no_task(w: World) -> None:
    w.create_pod()

    w.delete("pods", "a", grace_seconds=0)

    assert w.get("pods", "a") is None
    assert w.provider.list_tasks() == []


def test_deleting_a_finished_pod_removes_pod_and_task_at_once(w: World) -> None:
    w.create_pod()
    w.provider.finish(w.handle(), 0)
    w.observe_all()

    w.delete("pods", "a")

    assert w.get("pods", "a") is None
    assert w.provider.list_tasks() == []


def test_deleting_a_waiting_pod_ends_the_wait(w: World) -> None:
    w.create_pod(**MOUNTS)

    w.delete("pods", "a")

    assert w.pods.waiting.storage_keys() == []
    w.create("configmaps", "settings", data={})
    assert w.provider.tasks == []


def test_finalizer_holds_a_pod_whose_task_has_ended(w: World) -> None:
    w.create_pod(metadata={"finalizers": ["example.com/hold"]})
    w.observe_all()
    w.delete("pods", "a")

    w.observe_all()

    pod = w.pod()
    assert pod["status"]["phase"] == "Failed"
    assert pod["metadata"]["deletionGracePeriodSeconds"] == 0
