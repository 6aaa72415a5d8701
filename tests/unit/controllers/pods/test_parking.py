"""Executors' tasks start with their driver: as many as it asks for, each bound once, and those left given back."""

from __future__ import annotations

import threading

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.controllers.podmodel.record import handle_of
from chalicelib.providers.base import ProviderUnavailable
from tests.fake_provider import FakeProvider
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.builders import Clock
from tests.unit.controllers.parking_job import create_driver, create_executor, living, parked_names
from tests.unit.controllers.world import World

PARKED = ["a-parked-1", "a-parked-2"]


@pytest.fixture
def w() -> World:
    """Return a World whose tasks stay pending until they are begun, as they do where a start takes long."""
    clock = Clock()
    return World(MemoryStorage(), provider=FakeProvider(clock=clock, hold_pending=True), clock=clock)


def reason(w: World, name: str, wanted: str) -> list[str]:
    return [message for why, message in w.events(name) if why == wanted]


def test_a_driver_has_its_executors_tasks_started_with_it(w: World) -> None:
    create_driver(w)

    assert parked_names(w) == PARKED
    assert len(living(w)) == 3
    assert reason(w, "a", "Parked") == ["started 2 executors' tasks with the driver: they wait 180 s"]


@pytest.mark.parametrize("park", ["", "false"])
def test_no_more_is_started_where_a_start_is_quick_or_the_annotation_says_no(w: World, park: str) -> None:
    create_driver(w, park=park)

    assert parked_names(w) == []


def test_nothing_is_parked_where_the_setting_says_so() -> None:
    clock = Clock()
    w = World(MemoryStorage(), provider=FakeProvider(clock=clock, hold_pending=True), clock=clock, park_seconds=0)

    create_driver(w)

    assert parked_names(w) == []


def test_an_executor_gets_the_task_that_waits_for_it(w: World) -> None:
    create_driver(w)
    waiting = w.handle("a-parked-2")

    create_executor(w, 2)

    executor = w.pod("exec-2")
    assert handle_of(executor) == waiting
    assert executor["status"]["phase"] == "Pending"
    assert executor["spec"]["nodeName"] == "fake"
    assert parked_names(w) == PARKED[:1]
    assert len(w.provider.tasks) == 3, "nothing else is started"
    assert reason(w, "exec-2", "Bound")


def test_what_the_task_tells_from_then_on_is_the_executors(w: World) -> None:
    create_driver(w)
    create_executor(w, 1)
    handle = handle_of(w.pod("exec-1"))

    w.provider.begin(handle)
    w.observe_all()
    running = w.phase("exec-1")
    w.provider.finish(handle, 0)
    w.observe_all()

    assert [running, w.phase("exec-1")] == ["Running", "Succeeded"]


def test_an_executor_beyond_those_that_were_foretold_is_launched_as_any_pod(w: World) -> None:
    create_driver(w)

    create_executor(w, 3)

    assert handle_of(w.pod("exec-3")) == w.handle("exec-3")
    assert parked_names(w) == PARKED


def test_an_executor_of_another_shape_gets_a_task_of_its_own_and_the_rest_is_given_back(w: World) -> None:
    create_driver(w)

    create_executor(w, 1, memory="9Gi")
    w.observe_all()

    assert handle_of(w.pod("exec-1")) == w.handle("exec-1")
    assert parked_names(w) == []
    assert len(living(w)) == 2, "the driver's and the executor's"
    assert reason(w, "exec-1", "NotParked")


def test_a_task_that_has_ended_is_bound_to_nobody(w: World) -> None:
    create_driver(w)
    w.provider.finish(w.handle("a-parked-1"), None, reason="SpotInterruption")  # nobody has told us yet

    create_executor(w, 1)

    assert handle_of(w.pod("exec-1")) == w.handle("exec-1")


def test_a_task_whose_state_cannot_be_had_is_bound_to_nobody(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    create_driver(w)

    def down(*_: object) -> None:
        raise ProviderUnavailable("Unavailable", "ECS does not answer")

    monkeypatch.setattr(w.provider, "bind", down)
    create_executor(w, 1)

    assert handle_of(w.pod("exec-1")) == w.handle("exec-1")


def test_what_nobody_asks_for_is_given_back_when_its_time_is_over(w: World) -> None:
    create_driver(w)
    create_executor(w, 1)

    w.pass_time(181)
    w.resync()
    w.observe_all()
    w.run_chores()

    assert parked_names(w) == []
    assert sorted(living(w)) == sorted([w.handle(), handle_of(w.pod("exec-1"))])


@pytest.mark.parametrize("end", ["fails", "is deleted", "is deleted by force"])
def test_a_driver_that_ends_leaves_none(w: World, end: str) -> None:
    create_driver(w)

    if end == "fails":
        w.provider.finish(w.handle(), 1)
    else:
        w.delete("pods", "a", grace_seconds=0 if "force" in end else None)
    w.observe_all()
    w.observe_all()

    assert parked_names(w) == []
    assert living(w) == []


def test_a_driver_whose_end_nobody_heard_of_leaves_none(w: World) -> None:
    create_driver(w)
    stored = w.storage.get("/registry/pods/ns/a")
    ended = {**stored.object(), "status": {**stored.object()["status"], "phase": "Failed"}}
    w.storage.update(stored.key, ended, expected_revision=stored.revision)

    w.run_chores()
    w.observe_all()

    assert parked_names(w) == []


def test_executors_take_no_more_of_a_quota_than_their_parked_pods(w: World) -> None:
    w.create("resourcequotas", "q", spec={"hard": {"pods": "3"}})
    create_driver(w)

    with pytest.raises(StatusError, match="exceeded quota"):
        w.create_pod("other")
    create_executor(w, 1)
    create_executor(w, 2)

    used = w.get("resourcequotas", "q") or {}
    assert used["status"]["used"] == {"pods": "3"}
    with pytest.raises(StatusError, match="exceeded quota"):
        create_executor(w, 3)


def test_what_a_quota_has_no_room_for_is_not_parked(w: World) -> None:
    w.create("resourcequotas", "q", spec={"hard": {"pods": "2"}})

    create_driver(w)

    assert parked_names(w) == PARKED[:1]
    assert reason(w, "a", "NotParked")


def test_an_executor_deleted_while_it_is_bound_ends_its_task(w: World) -> None:
    create_driver(w)
    create_executor(w, 1)
    handle = handle_of(w.pod("exec-1"))

    w.delete("pods", "exec-1", grace_seconds=0)

    assert handle not in living(w)
    assert w.storage.list("/registry/sparkanywhere-bound-tasks/").items == []


def test_many_threads_bind_a_task_once(w: World) -> None:
    create_driver(w)
    create_executor(w, 1, schedulingGates=[{"name": "hold"}])
    key = "/registry/pods/ns/exec-1"
    stored = w.storage.get(key)
    ungated = {**stored.object(), "spec": {k: v for k, v in stored.object()["spec"].items() if k != "schedulingGates"}}
    w.storage.update(key, ungated, expected_revision=stored.revision)
    racing = World(w.storage, provider=w.provider, clock=w.clock, first=False)
    start = threading.Barrier(8)

    def sync() -> None:
        start.wait()
        racing.pods.sync_key(key)

    threads = [threading.Thread(target=sync) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(w.provider.tasks) == 3
    assert parked_names(w) == PARKED[1:]
    assert len(w.storage.list("/registry/sparkanywhere-bound-tasks/").items) == 1


def test_a_client_writes_none_of_the_marks(w: World) -> None:
    marks = {f"sparkanywhere.io/{name}": "x" for name in ("parked", "parked-pod", "bound-task")}

    pod = w.create_pod("b", metadata={"annotations": marks})

    assert "x" not in (pod["metadata"].get("annotations") or {}).values()
