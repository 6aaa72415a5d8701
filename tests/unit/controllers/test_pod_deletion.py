"""Deleted pods: stopped with their grace, removed when they have ended."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from chalicelib.apimachinery.accessors import phase_of
from chalicelib.registry.options import WriteOptions
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


def end_with_its_grace(w: World) -> None:
    w.delete("pods", "a")
    w.observe_all()


def end_with_its_namespace(w: World) -> None:
    w.delete("namespaces", "ns")
    w.observe_all()


def end_with_its_owner(w: World) -> None:
    w.delete("configmaps", "owner")
    w.observe_all()


def lose_the_task_while_it_stops(w: World) -> None:
    w.delete("pods", "a")
    w.provider.remove(w.handle())
    w.run_chores()


def lose_the_task_before_the_delete(w: World) -> None:
    w.provider.remove(w.handle())
    w.delete("pods", "a")


def lose_the_handle_and_the_task(w: World) -> None:
    handle, registry = w.handle(), w.registries[("", "pods")]
    pod = registry.typed(registry.get("ns", "a"))
    pod["metadata"]["annotations"] = {}
    registry.update("ns", "a", pod, WriteOptions())
    w.provider.remove(handle)
    w.delete("pods", "a")


def lose_the_node(w: World) -> None:
    stored = w.storage.get("/registry/pods/ns/a")
    pod = stored.object()
    w.storage.update(
        stored.key, {**pod, "spec": {**pod["spec"], "nodeName": "gone"}}, expected_revision=stored.revision
    )
    w.delete("pods", "a")
    w.pass_time(331)
    w.run_chores()


@pytest.mark.parametrize(
    "end",
    [
        end_with_its_grace,
        end_with_its_namespace,
        end_with_its_owner,
        lose_the_task_while_it_stops,
        lose_the_task_before_the_delete,
        lose_the_handle_and_the_task,
        lose_the_node,
    ],
)
def test_watchers_see_how_a_pod_ended_before_it_goes(w: World, end: Callable[[World], None]) -> None:
    w.create("configmaps", "owner", data={})
    w.create_pod(metadata=w.owner_of("owner", resource="configmaps"))
    w.observe_all()
    before = w.storage.revision()

    end(w)

    events = w.storage.events_after("/registry/pods/", before).events
    assert [(event.type, phase_of(json.loads(event.json))) for event in events[-2:]] == [
        ("MODIFIED", "Failed"),
        ("DELETED", "Failed"),
    ]
    assert {phase_of(json.loads(event.json)) for event in events[:-2]} <= {"Running"}
    assert json.loads(events[-1].json)["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] in (
        143,
        137,
    )


def test_a_forced_delete_tells_watchers_no_end(w: World) -> None:
    w.create_pod()
    w.observe_all()
    before = w.storage.revision()

    w.delete("pods", "a", grace_seconds=0)

    # as from a real server, which waits for no kubelet then
    events = w.storage.events_after("/registry/pods/", before).events
    assert [(event.type, phase_of(json.loads(event.json))) for event in events] == [
        ("MODIFIED", "Running"),
        ("DELETED", "Running"),
    ]


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
    ended, gone = w.storage.events_after("/registry/pods/", before).events
    assert (ended.type, '"exitCode":137' in ended.json, gone.type) == ("MODIFIED", True, "DELETED")


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
