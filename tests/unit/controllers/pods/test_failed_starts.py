"""Pods whose tasks end before they begin: launched again where that may help, and never for ever."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.controllers.podmodel.record import LAUNCHES, failed_starts, handle_of
from chalicelib.providers.base import Task, TaskState
from tests.fake_provider import FakeProvider, SlowProvider
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World

WHY = "Timeout waiting for network interface provisioning to complete."


@pytest.fixture
def w() -> World:
    """Return a world whose tasks stay pending."""
    return World(MemoryStorage(), provider=FakeProvider(hold_pending=True))


def ended_before_start(w: World, attempt: int = 0) -> TaskState:
    """End the pod's task before it begins; return what its provider tells of that."""
    handle = w.handle() + (f"-{attempt}" if attempt else "")
    w.provider.finish(handle, None, reason="TaskFailedToStart")
    w.provider.update(handle, lambda state: replace(state, passing="Unavailable", message=WHY))
    return next(state for state in w.provider.describe([handle]))


def try_again(w: World) -> None:
    w.pass_time(60)
    w.pods.retry()


def test_a_task_that_ends_before_it_begins_is_another_launch(w: World) -> None:
    w.create_pod()

    w.pods.observe(ended_before_start(w))

    pod = w.pod()
    condition = next(each for each in pod["status"]["conditions"] if each["type"] == "PodScheduled")
    assert (pod["status"]["phase"], condition["status"], condition["reason"]) == ("Pending", "False", "Unavailable")
    assert WHY in condition["message"]
    assert ("FailedScheduling", f"Unavailable: {WHY}") in w.events()
    assert handle_of(pod) == ""
    assert "nodeName" not in pod["spec"]
    assert len(w.provider.tasks) == 1, "not at once"

    try_again(w)

    assert [task.attempt for task in w.provider.tasks] == [0, 1]
    assert handle_of(w.pod()) == f"{w.handle()}-1"
    w.provider.begin(f"{w.handle()}-1")
    w.observe_all()
    assert w.phase() == "Running"


def test_what_is_told_of_such_a_task_late_or_twice_changes_nothing(w: World) -> None:
    w.create_pod()
    before = next(state for state in w.provider.describe([w.handle()]))
    ended = ended_before_start(w)
    w.pods.observe(ended)
    waiting = w.pod()

    w.pods.observe(ended)
    w.pods.observe(replace(before, address="10.9.9.9", version=before.version + 1))
    assert w.pod() == waiting

    try_again(w)
    launched = w.pod()
    w.pods.observe(ended)
    assert w.pod() == launched


def test_a_pod_fails_when_too_many_of_its_tasks_have_ended_so(w: World) -> None:
    w.create_pod()
    for attempt in range(LAUNCHES - 1):
        w.pods.observe(ended_before_start(w, attempt))
        assert w.phase() == "Pending"
        try_again(w)

    w.pods.observe(ended_before_start(w, LAUNCHES - 1))

    assert len(w.provider.tasks) == LAUNCHES
    assert (w.phase(), w.pod()["status"]["reason"]) == ("Failed", "TaskFailedToStart")
    assert len(failed_starts(w.pod())) == LAUNCHES - 1


def test_an_end_that_does_not_pass_fails_the_pod_at_once(w: World) -> None:
    w.create_pod()
    w.pods.observe(replace(ended_before_start(w), passing=""))

    assert w.phase() == "Failed"


def test_a_pod_that_is_to_go_is_not_launched_again(w: World) -> None:
    w.create_pod()
    ended = ended_before_start(w)
    w.delete("pods", "a")

    w.pods.observe(ended)
    try_again(w)

    assert w.get("pods", "a") is None
    assert len(w.provider.tasks) == 1


def test_a_pod_that_is_deleted_while_it_waits_is_gone(w: World) -> None:
    w.create_pod()
    w.pods.observe(ended_before_start(w))

    w.delete("pods", "a")
    try_again(w)

    assert w.get("pods", "a") is None
    assert len(w.provider.tasks) == 1


def test_an_end_that_is_told_before_the_task_is_saved_is_one_launch_more() -> None:
    provider = SlowProvider(hold_pending=True)
    w = World(MemoryStorage(), provider=provider)
    provider.meanwhile = lambda: w.pods.observe(ended_before_start(w))

    w.create_pod()

    assert (w.phase(), handle_of(w.pod())) == ("Pending", "")
    try_again(w)
    assert [task.attempt for task in w.provider.tasks] == [0, 1]


class LateProvider(FakeProvider):
    """Answers only when the task it started has ended before it began, as one does that finds a task started before."""

    late = True

    def run(self, task: Task) -> TaskState:
        state = super().run(task)
        if not self.late:
            return state
        self.late = False
        self.finish(state.handle, None, reason="TaskFailedToStart")
        self.update(state.handle, lambda told: replace(told, passing="Unavailable", message=WHY))
        return next(iter(self.describe([state.handle])))


def test_an_end_that_the_launch_itself_tells_is_another_launch() -> None:
    w = World(MemoryStorage(), provider=LateProvider(hold_pending=True))

    w.create_pod()

    assert (w.phase(), handle_of(w.pod())) == ("Pending", "")
    assert ("FailedScheduling", f"Unavailable: {WHY}") in w.events()
    assert len(w.provider.tasks) == 1, "not at once"
    try_again(w)
    assert [task.attempt for task in w.provider.tasks] == [0, 1]
    assert handle_of(w.pod()) == f"{w.handle()}-1"
