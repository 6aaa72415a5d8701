"""The state of a task from its containers, and the step to take next."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.providers.docker.snapshots import ContainerSnapshot
from chalicelib.providers.docker.task_state import Step, Wait, next_step, phase, task_state
from tests.unit.providers.docker.builders import NOON, exited, running, snapshot

SANDBOX: dict[str, Any] = {"role": "sandbox", "order": 0}
INIT: dict[str, Any] = {"role": "init", "order": 1}


# What a task that was to end before it had started has called off.
OFF: dict[str, Any] = {"status": "called off", "error": "Deleted", "finished_at": NOON}


@pytest.mark.parametrize(
    ("snapshots", "step"),
    [
        pytest.param([snapshot()], Step(start=("id-main",)), id="a lone container is started"),
        pytest.param([running()], Step(), id="one that runs is left alone"),
        pytest.param([exited()], Step(), id="one that ended is not started again"),
        pytest.param(
            [snapshot("h", **SANDBOX), snapshot("i", **INIT), snapshot(order=2)],
            Step(start=("id-h",)),
            id="the sandbox first",
        ),
        pytest.param(
            [running("h", **SANDBOX), snapshot("i", **INIT), snapshot(order=2)],
            Step(start=("id-i",)),
            id="then init ones",
        ),
        pytest.param([running("i", **INIT), snapshot(order=2)], Step(), id="wait for an init container"),
        pytest.param([exited("i", **INIT), snapshot(order=2)], Step(start=("id-main",)), id="after its success"),
        pytest.param([exited("i", 1, **INIT), snapshot(order=2)], Step(), id="after its failure nothing"),
        pytest.param(
            [snapshot("i", status="restarting", started_at=NOON, exit_code=1, **INIT), snapshot(order=2)],
            Step(),
            id="an init container that is tried again",
        ),
        pytest.param(
            [running("h", **SANDBOX), snapshot("a", order=2), snapshot("b", order=3)],
            Step(start=("id-a", "id-b")),
            id="all main containers together",
        ),
        pytest.param(
            [running("h", **SANDBOX), exited("a", order=2), running("b", order=3)], Step(), id="one still runs"
        ),
        pytest.param(
            [running("h", **SANDBOX), exited("a", order=2), exited("b", order=3)],
            Step(kill=("id-h",)),
            id="the sandbox ends with the last",
        ),
        pytest.param(
            [exited("h", 137, **SANDBOX), running("a", order=2)], Step(kill=("id-a",)), id="no network, no task"
        ),
        pytest.param([snapshot(error="no such user")], Step(), id="a start that failed is not repeated"),
        pytest.param(
            [running("h", **SANDBOX), snapshot("a", order=2, error="bad"), snapshot("b", order=3)],
            Step(start=("id-b",)),
            id="another container's failure to start changes nothing",
        ),
        pytest.param(
            [running("h", **SANDBOX), exited("i", **INIT), snapshot("a", order=2, **OFF)],
            Step(kill=("id-h",)),
            id="the sandbox ends where the rest was called off",
        ),
        pytest.param(
            [running("h", **SANDBOX), running("a", order=2), snapshot("b", order=3, **OFF)],
            Step(),
            id="but not before those that run",
        ),
        pytest.param(
            [running("i", **INIT), snapshot("j", role="init", order=2, **OFF), snapshot("a", order=3, **OFF)],
            Step(),
            id="an init container has its grace",
        ),
        pytest.param(
            [running("h", count=3, **SANDBOX), snapshot("a", order=1, count=3)],
            Step(kill=("id-h",)),
            id="nothing is started where containers are gone",
        ),
    ],
)
def test_the_next_step(snapshots: list[ContainerSnapshot], step: Step) -> None:
    assert next_step(snapshots) == step


@pytest.mark.parametrize(
    ("snapshots", "waits", "expected"),
    [
        ([], [Wait()], "pending"),
        ([], [Wait("Stopped", is_final=True)], "stopped"),
        ([snapshot()], [], "pending"),
        ([running()], [], "running"),
        ([running("i", **INIT), snapshot(order=2)], [], "pending"),
        ([exited("i", 2, **INIT), snapshot(order=2)], [], "stopped"),
        ([exited()], [], "stopped"),
        ([exited("a"), running("b", order=2)], [], "running"),
        ([snapshot(status="restarting", started_at=NOON)], [], "running"),
        ([snapshot(error="no such user")], [], "stopped"),
        ([snapshot(status="removed", started_at=NOON)], [], "stopped"),
        ([running("i", **INIT), snapshot(**OFF)], [], "pending"),
        ([exited("i", **INIT), snapshot(**OFF)], [], "stopped"),
        ([running("a"), snapshot("b", **OFF)], [], "running"),
        ([exited("i", count=2, **INIT)], [], "stopped"),
        ([running("a", count=2)], [], "running"),
    ],
)
def test_the_phase(snapshots: list[ContainerSnapshot], waits: list[Wait], expected: str) -> None:
    assert phase(snapshots, waits) == expected


def test_a_container_that_somebody_removed_has_no_exit_code() -> None:
    state = task_state([snapshot(status="removed", started_at=NOON, finished_at=NOON)], host_address="10.0.0.1")

    (only,) = state.containers
    assert (only.exit_code, only.reason) == (None, "ContainerRemoved")
    assert state.reason == "ContainerRemoved"
    assert "removed" in state.message


def test_a_program_that_is_not_there_is_told_apart_from_a_shells_127() -> None:
    missing = task_state([exited(code=127, error="exec /x failed: No such file")], host_address="")
    shell = task_state([exited(code=127)], host_address="")

    assert [state.containers[0].reason for state in (missing, shell)] == ["ContainerCannotRun", "Error"]


def test_the_sandbox_is_not_shown() -> None:
    state = task_state([running("h", **SANDBOX), running(order=2, address="10.0.0.9")], host_address="")

    assert [container.name for container in state.containers] == ["main"]


def test_a_container_that_was_called_off_has_not_run() -> None:
    state = task_state([exited("i", **INIT), snapshot(**OFF)], host_address="", stop_reason="Deleted")

    assert [(each.phase, each.reason, each.exit_code) for each in state.containers] == [
        ("stopped", "Completed", 0),
        ("waiting", "Deleted", None),
    ]
    assert (state.reason, state.stopped_at) == ("Deleted", NOON)


def test_a_task_whose_containers_were_removed_unseen_says_so() -> None:
    state = task_state([exited("i", count=2, **INIT)], host_address="")

    assert (state.phase, state.reason) == ("stopped", "ContainerRemoved")
