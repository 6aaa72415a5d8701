"""Records become states."""

from __future__ import annotations

from datetime import UTC, datetime

from chalicelib.providers.base import Container, Task
from chalicelib.providers.supervised.plan import first_record
from chalicelib.providers.supervised.records import Record
from chalicelib.providers.supervised.states import lost, task_state

SECOND = 10**9


def record() -> Record:
    """Return the first record of a task with an init container."""
    containers = (Container("first", "busybox", init=True), Container("main", "spark"))
    task = Task(uid="u", group="g", name="n", containers=containers, labels=(("a", "b"),))
    return first_record(task, handle="h", address="127.9.9.9", created_at=5 * SECOND)


def test_a_task_of_which_nothing_runs_yet_is_pending() -> None:
    state = task_state(record())

    assert (state.uid, state.handle, state.phase, state.version) == ("u", "h", "pending", 0)
    assert (state.address, state.labels) == ("127.9.9.9", (("a", "b"),))
    assert state.created_at == datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)
    assert [one.reason for one in state.containers] == ["ContainerCreating", "PodInitializing"]
    assert [one.container_id for one in state.containers] == ["", ""]


def test_a_container_that_started_has_an_id_that_changes_with_a_restart() -> None:
    known = record()
    known["containers"][1].update({"phase": "running", "started_at": 6 * SECOND})
    before = task_state(known).containers[1]
    known["containers"][1]["restarts"] = 1

    after = task_state(known).containers[1]

    assert before.phase == "running"
    assert before.container_id
    assert before.container_id != after.container_id


def test_a_container_tells_how_its_run_before_ended() -> None:
    known = record()
    ended = {**known["containers"][1], "phase": "stopped", "exit_code": 3, "reason": "Error", "started_at": 6 * SECOND}
    known["containers"][1].update({"phase": "running", "restarts": 1, "last": ended})  # type: ignore[typeddict-item]

    last = task_state(known).containers[1].last

    assert last is not None
    assert (last.phase, last.exit_code, last.reason, last.container_id) == ("stopped", 3, "Error", "h-main-0")


def test_of_a_lost_task_no_exit_code_is_made_up() -> None:
    known = record()
    known["containers"][0].update({"phase": "stopped", "exit_code": 0, "started_at": 6 * SECOND})
    known["containers"][1].update({"phase": "running", "started_at": 7 * SECOND})

    state = task_state(lost(known, now=9 * SECOND, reason="Lost", message="why"))

    assert (state.phase, state.reason, state.message) == ("stopped", "Lost", "why")
    assert state.version == 1
    assert [one.exit_code for one in state.containers] == [0, None]
    assert [one.reason for one in state.containers] == ["ContainerCreating", "Lost"]
    assert state.stopped_at == datetime(1970, 1, 1, 0, 0, 9, tzinfo=UTC)
