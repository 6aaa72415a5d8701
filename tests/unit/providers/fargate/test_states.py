"""ECS's reports become task states, from events and from the API alike."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chalicelib.providers.fargate.identity import START_FAILED
from chalicelib.providers.fargate.payload import FETCHER
from chalicelib.providers.fargate.states import OURS, task_state

DATA = Path(__file__).parents[3] / "data" / "ecs"


def recorded(name: str) -> dict[str, Any]:
    detail: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text())["event"]["detail"]
    return detail


def task(**changed: Any) -> dict[str, Any]:
    container = {"name": "c", "lastStatus": "RUNNING", "image": "i"}
    return {
        "taskArn": "arn:t",
        "startedBy": "u",
        "lastStatus": "RUNNING",
        "containers": [container],
        "version": 3,
        **changed,
    }


def test_an_executor_killed_for_its_memory_says_so() -> None:
    state = task_state(recorded("executor_oom"))

    (container,) = state.containers
    assert (state.uid, state.phase, state.address, state.version) == ("pod-uid", "stopped", "172.31.68.200", 9)
    assert (container.exit_code, container.reason) == (137, "OOMKilled")
    assert state.stopped_at == datetime(2024, 11, 13, 21, 22, 46, 710000, tzinfo=UTC)
    assert dict(state.times)["pull_started"] < dict(state.times)["pull_stopped"]


def test_times_of_the_api_count_as_those_of_events() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)

    assert task_state(task(startedAt=moment)).started_at == moment
    assert task_state(task(startedAt="2026-01-01T00:00:00Z")).started_at == moment


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("PROVISIONING", "pending"),
        ("PENDING", "pending"),
        ("ACTIVATING", "pending"),
        ("RUNNING", "running"),
        ("DEACTIVATING", "running"),
        ("STOPPED", "stopped"),
    ],
)
def test_the_last_status_is_the_phase(status: str, phase: str) -> None:
    assert task_state(task(lastStatus=status)).phase == phase


def test_a_task_has_ended_when_its_containers_have() -> None:
    ended = {"name": "c", "lastStatus": "STOPPED", "exitCode": 0}

    state = task_state(task(lastStatus="DEPROVISIONING", containers=[ended]))

    assert (state.phase, state.containers[0].reason) == ("stopped", "Completed")


def test_the_fetching_container_is_not_the_pods() -> None:
    fetcher = {"name": FETCHER, "lastStatus": "STOPPED", "exitCode": 1}
    failed = {"name": "c", "lastStatus": "STOPPED"}

    state = task_state(task(lastStatus="STOPPED", containers=[fetcher, failed], stoppedReason="Essential"))

    assert [each.name for each in state.containers] == ["c"]
    assert "could not be fetched" in state.message


@pytest.mark.parametrize(
    ("stop_code", "exit_code", "is_blamed"),
    [
        ("UserInitiated", 143, False),  # a warm task is stopped
        ("UserInitiated", 137, False),
        ("SpotInterruption", 143, False),
        ("EssentialContainerExited", 143, False),  # nobody needed it
        ("UserInitiated", 22, True),  # it had failed before it was stopped
        ("EssentialContainerExited", 137, True),  # out of memory
    ],
)
def test_files_are_not_blamed_for_a_task_that_was_ended(stop_code: str, exit_code: int, is_blamed: bool) -> None:
    fetcher = {"name": FETCHER, "lastStatus": "STOPPED", "exitCode": exit_code}
    waited = {"name": "c", "lastStatus": "STOPPED", "exitCode": START_FAILED}

    stopped = task(lastStatus="STOPPED", containers=[fetcher, waited], stopCode=stop_code, stoppedReason=OURS)
    state = task_state(stopped)

    told = (state.message, state.containers[0].message)
    assert ["could not be fetched" in each for each in told] == [is_blamed] * 2
    assert is_blamed or told == ("", "")


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({"cpu": "1024", "memory": "3072"}, {"cpu": "1", "memory": "3Gi", "ephemeral-storage": "20Gi"}),
        (
            {"cpu": "256", "memory": "512", "ephemeralStorage": {"sizeInGiB": 50}},
            {"cpu": "250m", "memory": "512Mi", "ephemeral-storage": "50Gi"},
        ),
        ({}, {}),
    ],
)
def test_what_fargate_has_given_is_told_in_quantities(given: dict[str, Any], size: dict[str, str]) -> None:
    assert dict(task_state(task(**given)).size) == size


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ({"name": FETCHER, "exitCode": 22}, "could not be fetched"),
        ({"name": "prepare", "exitCode": 3}, "prepare has failed"),
    ],
)
def test_a_container_that_did_not_begin_says_for_what(before: dict[str, Any], words: str) -> None:
    waited = {"name": "c", "lastStatus": "STOPPED", "exitCode": START_FAILED}

    state = task_state(task(lastStatus="STOPPED", containers=[{"lastStatus": "STOPPED", **before}, waited]))

    assert words in state.containers[-1].message


def test_a_programs_own_exit_code_is_no_failed_start() -> None:
    ended = {"name": "c", "lastStatus": "STOPPED", "exitCode": START_FAILED}

    (container,) = task_state(task(lastStatus="STOPPED", containers=[ended])).containers

    assert (container.reason, container.message) == ("Error", "")


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ({"stoppedReason": "CannotPullContainerError: pull access denied"}, "ErrImagePull"),
        ({"stoppedReason": "ResourceInitializationError: failed to validate logger"}, "CreateContainerError"),
        ({"stoppedReason": "ResourceInitializationError: unable to pull secrets or registry auth: x"}, "ErrImagePull"),
        ({"stopCode": "SpotInterruption", "stoppedReason": "x"}, "SpotInterruption"),
        ({"stopCode": "TaskFailedToStart", "stoppedReason": "Timeout waiting"}, "TaskFailedToStart"),
        ({"stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited"}, ""),
        ({"stopCode": "UserInitiated", "stoppedReason": f"{OURS}Deleted"}, ""),
        ({"stopCode": "UserInitiated", "stoppedReason": "OutOfMemoryError"}, "UserInitiated"),
    ],
)
def test_why_a_task_stopped_has_a_word(stop: dict[str, str], reason: str) -> None:
    containers = [{"name": "c", "lastStatus": "STOPPED"}]

    state = task_state(task(lastStatus="STOPPED", containers=containers, **stop))

    assert state.reason == reason


NETWORK = "Timeout waiting for network interface provisioning to complete."


@pytest.mark.parametrize(
    ("stop", "container", "passing"),
    [
        ({"stopCode": "TaskFailedToStart", "stoppedReason": NETWORK}, {}, "Unavailable"),
        (
            {"stopCode": "TaskFailedToStart", "stoppedReason": "Task failed to start"},
            {"reason": "CannotPullContainerError: pull image manifest: i/o timeout"},
            "Unavailable",
        ),
        (
            {"stopCode": "TaskFailedToStart", "stoppedReason": "Capacity is unavailable at this time."},
            {},
            "CapacityUnavailable",
        ),
        ({"stopCode": "TaskFailedToStart", "stoppedReason": "CannotPullContainerError: not found"}, {}, ""),
        ({"stopCode": "TaskFailedToStart", "stoppedReason": NETWORK}, {"exitCode": 0}, ""),
        ({"stopCode": "EssentialContainerExited", "stoppedReason": NETWORK}, {}, ""),
        ({"stopCode": "UserInitiated", "stoppedReason": "rate exceeded"}, {}, ""),
    ],
)
def test_an_end_before_the_begin_passes_or_not(
    stop: dict[str, str], container: dict[str, object], passing: str
) -> None:
    ended = {"name": "c", "lastStatus": "STOPPED", **container}

    assert task_state(task(lastStatus="STOPPED", containers=[ended], **stop)).passing == passing


def test_the_first_event_of_an_end_is_timed_by_itself() -> None:
    containers = [{"name": "c", "lastStatus": "STOPPED", "exitCode": 0}]
    first = task(lastStatus="RUNNING", containers=containers, updatedAt="2026-01-02T03:04:05.5Z")
    last = {**first, "executionStoppedAt": "2026-01-02T03:04:05Z"}

    assert task_state(first).stopped_at == datetime(2026, 1, 2, 3, 4, 5, 500000, tzinfo=UTC)
    assert task_state(last).stopped_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert task_state(task(updatedAt="2026-01-02T03:04:05Z")).stopped_at is None  # it runs


def test_a_spot_warning_is_an_interruption_of_a_running_task() -> None:
    state = task_state(task(desiredStatus="STOPPED", stopCode="SpotInterruption"))

    assert (state.phase, state.interrupted) == ("running", True)
