"""Pods that wait for what they mount, and what their logs say meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers import reactions
from chalicelib.controllers.changes import Changes
from chalicelib.controllers.podmodel.index import PodIndex
from chalicelib.controllers.pods.launches import LEASE, FunctionUnavailable, InvokeFunction, LaunchRequests
from chalicelib.controllers.reactions import Reactions
from chalicelib.controllers.runtime.lease import Lease
from chalicelib.plane.host import LAMBDA
from chalicelib.providers.base import LogOptions
from tests.inline import inline
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.builders import MOUNTS
from tests.unit.controllers.world import World

SCHEDULED = ("Scheduled", "Successfully assigned ns/a to fake")


def test_pod_waits_for_its_configmap_and_starts_with_it(w: World) -> None:
    w.create_pod(**MOUNTS)

    status = w.pod()["status"]
    assert w.provider.tasks == []
    assert "nodeName" not in w.pod()["spec"]
    assert status["phase"] == "Pending"
    assert status["containerStatuses"][0]["state"]["waiting"]["reason"] == "ContainerCreating"

    w.create("configmaps", "settings", data={"k": "v"})

    assert [file.path for file in w.provider.tasks[0].volumes[0].files] == ["k"]
    assert w.pods.waiting.storage_keys() == []
    assert "FailedMount" not in dict(w.events())


def test_a_mount_that_stays_missing_is_told_and_told_again(w: World) -> None:
    w.create_pod(**MOUNTS)
    message = 'MountVolume.SetUp failed for volume "v" : configmap "settings" not found'

    w.pass_time(1)
    w.pods.retry()
    assert w.events() == [SCHEDULED]  # a driver's ConfigMap comes right behind it
    w.pass_time(2)
    w.pods.retry()
    assert w.events() == [("FailedMount", message), SCHEDULED]
    w.pass_time(60)
    w.pods.retry()

    events = [item.object() for item in w.storage.list("/registry/events/").items]
    assert {each["reason"]: each["count"] for each in events} == {"FailedMount": 2, "Scheduled": 1}


def test_a_variable_that_is_missing_is_told_at_once(w: World) -> None:
    source = {"configMapKeyRef": {"name": "settings", "key": "k"}}
    w.create_pod(containers=[{"name": "c", "image": "i", "env": [{"name": "K", "valueFrom": source}]}])

    assert w.events() == [("Failed", 'Error: configmap "settings" not found'), SCHEDULED]


def test_configmap_of_another_name_wakes_nobody(w: World) -> None:
    w.create_pod(**MOUNTS)

    w.create("configmaps", "other", data={})

    assert w.provider.tasks == []
    assert len(w.pods.waiting.storage_keys()) == 1


def test_configmap_written_through_another_process_is_found_by_retry(w: World) -> None:
    w.create_pod(**MOUNTS)
    w.storage.create("/registry/configmaps/ns/settings", {"metadata": {"name": "settings", "uid": "u"}})

    w.pass_time(1)
    w.pods.retry()

    assert len(w.provider.tasks) == 1


def test_host_without_memory_finds_waiting_pods_in_the_store() -> None:
    w = World(MemoryStorage(), host=LAMBDA)
    w.create_pod(**MOUNTS)
    for key in w.pods.waiting.storage_keys():  # what another Lambda would not know
        w.pods.waiting.discard(w.storage.get(key).object()["metadata"]["uid"])

    w.create("configmaps", "settings", data={})

    assert len(w.provider.tasks) == 1


def changes_of(w: World, invoke: InvokeFunction) -> Changes:
    """Return the changes that a function reacts to which launches nothing itself."""
    lease = Lease(w.storage, LEASE, holder="api", seconds=1.0, clock=w.clock)
    changes = Changes(before_removal={})
    Reactions(
        replace(w.controllers, launches=LaunchRequests(lease, invoke, clock=w.clock)),
        storage=w.storage,
        index=PodIndex(w.storage),
        later=inline,
        scans=True,
        launches=True,
    ).subscribe_to(changes)
    return changes


def stored_settings(w: World) -> JSON:
    """Store what the pods wait for, unnoticed, and return it."""
    settings = {"metadata": {"name": "settings", "namespace": "ns", "uid": "u"}, "data": {}}
    w.storage.create("/registry/configmaps/ns/settings", settings)
    return settings


def test_where_pods_are_launched_behind_the_answer_those_that_an_object_wakes_are_too() -> None:
    w = World(MemoryStorage(), host=LAMBDA)
    w.create_pod("waiting", **MOUNTS)
    w.create_pod("unconcerned")
    w.create_pod("gated", **MOUNTS, schedulingGates=[{"name": "later"}])
    invoked: list[dict[str, Any]] = []
    changes = changes_of(w, lambda _, event: invoked.append(event))

    changes.after_write("configmaps", stored_settings(w), "ADDED")
    changes.after_write("configmaps", {"metadata": {"name": "other", "namespace": "ns", "uid": "v"}}, "ADDED")

    assert invoked == [{"pods": ["/registry/pods/ns/waiting"], "after": 0}]
    assert [each.name for each in w.provider.tasks] == ["unconcerned"]


@pytest.mark.parametrize("answered", [2, 1], ids=["all-are-taken", "the-second-is-refused"])
def test_more_pods_than_one_function_launches_are_handed_over_in_parts(
    answered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reactions, "BATCH", 2)
    w = World(MemoryStorage(), host=LAMBDA)
    for name in "abc":
        w.create_pod(name, **MOUNTS)
    parts: list[int] = []

    def invoke(name: str, event: dict[str, Any]) -> None:
        del name
        if len(parts) == answered:
            raise FunctionUnavailable("it is busy")
        parts.append(len(event["pods"]))

    changes_of(w, invoke).after_write("configmaps", stored_settings(w), "ADDED")

    assert parts == [2, 1][:answered]
    assert len(w.provider.tasks) == 3 - sum(parts)


def test_waiting_again_writes_nothing_and_says_nothing_more(w: World) -> None:
    w.create_pod(**MOUNTS)
    before = w.storage.revision()

    w.pods.sync(w.pod())

    assert w.storage.revision() == before


def test_logs_come_from_the_provider(w: World) -> None:
    w.create_pod()
    w.provider.say(w.handle(), "c", b"one\ntwo\n")

    assert b"".join(w.pods.logs(w.pod(), "c", LogOptions(tail_lines=1))) == b"two\n"


def test_log_of_a_waiting_pod_says_what_it_waits_for(w: World) -> None:
    w.create_pod(**MOUNTS)

    with pytest.raises(StatusError) as caught:
        w.pods.logs(w.pod(), "c", LogOptions())

    assert caught.value.code == 400
    assert caught.value.message == 'container "c" in pod "a" is waiting to start: ContainerCreating'


def test_log_of_a_forgotten_task_is_not_found(w: World) -> None:
    w.create_pod()
    w.provider.remove(w.handle())

    with pytest.raises(StatusError) as caught:
        w.pods.logs(w.pod(), "c", LogOptions())

    assert caught.value.code == 404
