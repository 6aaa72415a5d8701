"""What a pod's status says of one container, one row a case."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.status import next_status
from chalicelib.providers.base import ContainerState, TaskState
from tests.unit.controllers.builders import BEFORE, NOW, UID, after, known, pod, task

STARTED, ENDED = "2026-01-02T03:03:05Z", "2026-01-02T03:04:05Z"

STATES: list[tuple[str, TaskState, JSON]] = [
    ("no word of it", task("pending"), {"waiting": {"reason": "ContainerCreating"}}),
    (
        "task tells why",
        task("pending", reason="ImagePull", message="x"),
        {"waiting": {"reason": "ImagePull", "message": "x"}},
    ),
    (
        "image is not there",
        task("pending", [known("c", "waiting", reason="ErrImagePull", message="no such image")]),
        {"waiting": {"reason": "ErrImagePull", "message": "no such image"}},
    ),
    ("runs", task("running", [known()]), {"running": {"startedAt": STARTED}}),
    (
        "ended well",
        task("stopped", [known("c", "stopped", 0)]),
        {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": STARTED, "finishedAt": ENDED}},
    ),
    (
        "ended badly",
        task("stopped", [known("c", "stopped", 1, message="boom")]),
        {
            "terminated": {
                "exitCode": 1,
                "reason": "Error",
                "message": "boom",
                "startedAt": STARTED,
                "finishedAt": ENDED,
            }
        },
    ),
    (
        "out of memory",
        task("stopped", [known("c", "stopped", 137, reason="OOMKilled", container_id="docker://1")]),
        {
            "terminated": {
                "exitCode": 137,
                "reason": "OOMKilled",
                "containerID": "docker://1",
                "startedAt": STARTED,
                "finishedAt": ENDED,
            }
        },
    ),
    (
        "nobody saw its end",
        task("stopped", [known("c", "running")]),
        {
            "terminated": {
                "exitCode": 137,
                "reason": "ContainerStatusUnknown",
                "message": "The container could not be located when the pod was terminated",
                "startedAt": STARTED,
                "finishedAt": ENDED,
            }
        },
    ),
    (
        "never started",
        task("stopped", [known("c", "waiting")], reason="CannotPullContainerError", message="no route"),
        {"waiting": {"reason": "CannotPullContainerError", "message": "no route"}},
    ),
]


@pytest.mark.parametrize(("state", "expected"), [row[1:] for row in STATES], ids=[row[0] for row in STATES])
def test_container_state(state: TaskState, expected: JSON) -> None:
    status = next_status(pod(), state, now=NOW)

    assert status["containerStatuses"][0]["state"] == expected


def test_restart_counts_and_keeps_how_the_last_run_ended() -> None:
    obj = pod(restartPolicy="Always")
    crashed = task("running", [known("c", "stopped", 3)])
    again = task("running", [known("c", "running", restarts=1, started_at=NOW)])

    status = after(obj, task("running", [known()]), crashed, again)["status"]["containerStatuses"][0]

    assert status["restartCount"] == 1
    assert status["state"] == {"running": {"startedAt": "2026-01-02T03:04:05Z"}}
    assert status["lastState"]["terminated"]["exitCode"] == 3
    assert status["ready"] is True


def test_container_waiting_to_restart_keeps_how_it_ended() -> None:
    crashed = task("running", [known("c", "stopped", 3)])
    waits = task("running", [known("c", "waiting", reason="CrashLoopBackOff")])

    status = after(pod(restartPolicy="Always"), crashed, waits)["status"]["containerStatuses"][0]

    assert status["state"] == {"waiting": {"reason": "CrashLoopBackOff"}}
    assert status["lastState"]["terminated"]["exitCode"] == 3


def test_how_a_run_ended_is_kept_though_nobody_saw_it_between_two_runs() -> None:
    last = known("c", "stopped", 137, reason="OOMKilled", container_id="one")
    again = task("running", [known("c", "running", restarts=1, started_at=NOW, last=last)])

    status = after(pod(restartPolicy="Always"), task("running", [known()]), again)["status"]["containerStatuses"][0]

    assert status["lastState"]["terminated"] == {
        "exitCode": 137,
        "reason": "OOMKilled",
        "containerID": "one",
        "startedAt": STARTED,
        "finishedAt": ENDED,
    }


def test_a_back_off_names_the_pod() -> None:
    waits = known("c", "waiting", reason="CrashLoopBackOff", message="back-off 10s restarting failed container=c")

    status = after(pod(restartPolicy="Always"), task("running", [waits]))["status"]["containerStatuses"][0]

    said = status["state"]["waiting"]["message"]
    assert said == f"back-off 10s restarting failed container=c pod=a_ns({UID})"


@pytest.mark.parametrize(("counted", "later", "restarts"), [(0, 1, 1), (0, 0, 0), (1, 1, 1), (3, 1, 3)])
def test_a_run_that_began_later_is_a_restart_whoever_started_it(counted: int, later: int, restarts: int) -> None:
    again = known("c", "running", restarts=counted, started_at=BEFORE + timedelta(seconds=later))

    status = after(pod(restartPolicy="Always"), task("running", [known()]), task("running", [again]))["status"]

    assert status["containerStatuses"][0]["restartCount"] == restarts


def test_container_that_ran_and_is_not_mentioned_has_ended() -> None:
    ended = after(pod(), task("running", [known()]), task("stopped", reason="TaskLost", message="gone"))

    status = ended["status"]
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 137
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", "TaskLost", "gone")


def test_start_that_the_provider_did_not_time_is_timed_once() -> None:
    untimed = ContainerState("c", "running")
    running = after(pod(), task("running", [untimed]))

    again = after(running, task("running", [untimed], address="10.0.0.1"), task("running", [untimed]))

    state = again["status"]["containerStatuses"][0]["state"]
    assert state == {"running": {"startedAt": "2026-01-02T03:04:05Z"}}
