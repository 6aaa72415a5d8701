"""What Azure says of container groups becomes task states."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.providers.azure import group
from chalicelib.providers.azure.states import kept_ends, task_state
from chalicelib.providers.base import ContainerState, TaskState

STARTED, ENDED = "2026-12-01T10:00:00Z", "2026-12-01T10:00:05.1234567Z"
RUNNING = {"state": "Running", "startTime": STARTED, "detailStatus": ""}
FAILED = {"state": "Terminated", "startTime": STARTED, "finishTime": ENDED, "exitCode": 3, "detailStatus": "Error"}
DONE = {**FAILED, "exitCode": 0, "detailStatus": "Completed"}


def event(name: str, message: str, at: str = STARTED) -> dict[str, Any]:
    kind = "Warning" if name in ("Failed", "BackOff") else "Normal"
    return {"name": name, "message": message, "type": kind, "count": 1, "firstTimestamp": at, "lastTimestamp": at}


def a_group(
    *views: dict[str, Any],
    state: str = "Running",
    provisioning: str = "Succeeded",
    policy: str = "Never",
    **fields: Any,
) -> dict[str, Any]:
    containers = [
        {"name": f"c{number}", "properties": {"image": "i", "instanceView": view}} for number, view in enumerate(views)
    ]
    tags = {group.INSTANCE: "default", group.UID: "u", group.POD: "ns.p", "spark-role": "driver", "a.b:c": "d"}
    properties = {
        "provisioningState": provisioning,
        "restartPolicy": policy,
        "containers": containers,
        "ipAddress": {"ip": "10.0.0.7"},
        "instanceView": {"state": state, "events": []},
        **fields,
    }
    return {"name": "sa-u-0", "location": "westeurope", "tags": tags, "properties": properties}


def view(current: dict[str, Any], *events: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"restartCount": 0, "currentState": current, "events": list(events), **fields}


def only(state: TaskState) -> ContainerState:
    (container,) = state.containers
    return container


WAITING = {"state": "Waiting", "detailStatus": ""}


@pytest.mark.parametrize(
    ("raw", "phase", "reason"),
    [
        (a_group(view(WAITING), state="Pending", provisioning="Creating"), "pending", "ContainerCreating"),
        (a_group(view(RUNNING)), "running", ""),
        (a_group(view(DONE), state="Succeeded"), "stopped", "Completed"),
        (a_group(view(FAILED), state="Failed"), "stopped", "Error"),
        # before the group's own state follows
        (a_group(view(FAILED)), "stopped", "Error"),
        (a_group(view({**FAILED, "exitCode": 137, "detailStatus": "OOMKilled"})), "stopped", "OOMKilled"),
        # restarted in spite of restartPolicy Never, where the first end counts
        (a_group(view(RUNNING, restartCount=1, previousState=FAILED)), "stopped", "Error"),
        (a_group(view(RUNNING, restartCount=1, previousState=FAILED), policy="OnFailure"), "running", ""),
        (a_group(view(FAILED, restartCount=1), policy="OnFailure"), "running", "Error"),
        # stopped, and Azure shows no end of the container
        (a_group(view(WAITING), state="Stopped"), "stopped", "ContainerCreating"),
    ],
)
def test_phases_and_reasons(raw: dict[str, Any], phase: str, reason: str) -> None:
    state = task_state(raw, version=1)

    assert (state.phase, only(state).reason) == (phase, reason)


@pytest.mark.parametrize(
    ("name", "message", "reason"),
    [
        ("Failed", 'Failed to pull image "x": not found', "ErrImagePull"),
        ("BackOff", 'Back-off pulling image "x"', "ImagePullBackOff"),
        ("BackOff", "Back-off restarting failed container", "CrashLoopBackOff"),
        ("Failed", "Failed to create container", "CreateContainerError"),
        ("Failed", "Failed to start container", "RunContainerError"),
        ("Pulling", 'pulling image "x"', "ContainerCreating"),
    ],
)
def test_events_say_what_a_container_waits_for(name: str, message: str, reason: str) -> None:
    waits = view(WAITING, event("Pulled", "earlier", "2026-12-01T09:00:00Z"), event(name, message))

    state = only(task_state(a_group(waits, state="Pending"), version=1))

    assert (state.phase, state.reason) == ("waiting", reason)
    assert state.message.endswith(message)


def test_a_failed_provisioning_is_the_end_although_azure_goes_on_trying() -> None:
    views = {"state": "Pending", "events": [event("Failed", "The requested resource is not available in the location")]}
    raw = a_group(view(WAITING), provisioning="Failed", instanceView=views)

    state = task_state(raw, version=1)

    assert (state.phase, state.reason, state.passing) == ("stopped", "ProvisioningFailed", "NoCapacity")
    assert "not available" in state.message


def test_moments_are_read_with_seven_digits_and_with_none() -> None:
    pulled = (event("Pulling", "", "2026-12-01T09:59:00Z"), event("Pulled", "", "2026-12-01T09:59:08Z"))

    state = task_state(a_group(view(FAILED, *pulled)), version=1)

    assert state.started_at == datetime(2026, 12, 1, 10, tzinfo=UTC)
    assert state.stopped_at == datetime(2026, 12, 1, 10, 0, 5, 123456, tzinfo=UTC)
    assert [name for name, _ in state.times] == ["pull_started", "pull_stopped"]
    fetch = only(state).fetch
    assert fetch is not None
    assert fetch.seconds == 8


def test_labels_come_back_with_their_slashes() -> None:
    state = task_state(a_group(view(RUNNING)), version=1)

    assert dict(state.labels) == {"spark-role": "driver", "a.b/c": "d"}
    assert (state.uid, state.handle, state.address) == ("u", "sa-u-0", "10.0.0.7")


def test_a_container_that_has_ended_once_does_not_run_again() -> None:
    before = task_state(a_group(view(FAILED), view(RUNNING)), version=1)
    later = task_state(a_group(view(RUNNING), view(RUNNING)), version=2)

    state = kept_ends(later, before)

    assert [each.phase for each in state.containers] == ["stopped", "running"]
    assert state.containers[0].exit_code == 3
    assert replace(state, containers=()) == replace(later, containers=())
