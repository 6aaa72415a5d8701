"""The phase table, one row a case, and what else a pod's status says."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.references import CONFIG, MOUNT, SCHEDULE, Missing
from chalicelib.controllers.podmodel.status import next_status, pod_phase, unscheduled_status, waiting_status
from chalicelib.providers.base import ContainerPhase, ContainerState, TaskPhase, TaskState
from tests.unit.controllers.builders import BEFORE, NOW, after, container, known, pod, task

TWO = pod(containers=[container("c"), container("d")])
WITH_INIT = pod(initContainers=[container("i")])
WITH_SIDECAR = pod(initContainers=[container("s", restartPolicy="Always")])
OVERDUE = pod(activeDeadlineSeconds=60)
OVERDUE["status"]["startTime"] = "2026-01-02T03:03:00Z"
IN_TIME = pod(activeDeadlineSeconds=6000)
IN_TIME["status"]["startTime"] = "2026-01-02T03:03:00Z"

PHASES: list[tuple[str, JSON, TaskState, str]] = [
    ("nothing known yet", pod(), task("pending"), "Pending"),
    ("image is pulled", pod(), task("pending", [known("c", "waiting")]), "Pending"),
    ("container runs, its task is not told to", pod(), task("pending", [known()]), "Running"),
    ("task runs, container waits", pod(), task("running", [known("c", "waiting")]), "Pending"),
    ("task runs, nothing known of containers", pod(), task("running"), "Pending"),
    ("container runs", pod(), task("running", [known()]), "Running"),
    ("one of two runs", TWO, task("running", [known("c"), known("d", "waiting")]), "Running"),
    ("one of two has ended", TWO, task("running", [known("c", "stopped", 0), known("d")]), "Running"),
    ("container is between restarts", pod(), task("running", [known("c", "waiting", restarts=2)]), "Running"),
    ("init runs", WITH_INIT, task("running", [known("i"), known("c", "waiting")]), "Pending"),
    ("init done, main runs", WITH_INIT, task("running", [known("i", "stopped", 0), known()]), "Running"),
    ("init failed", WITH_INIT, task("stopped", [known("i", "stopped", 1), known("c", "waiting")]), "Failed"),
    ("ended well", pod(), task("stopped", [known("c", "stopped", 0)]), "Succeeded"),
    ("ended badly", pod(), task("stopped", [known("c", "stopped", 1)]), "Failed"),
    ("killed", pod(), task("stopped", [known("c", "stopped", 137)]), "Failed"),
    ("no exit code", pod(), task("stopped", [known("c", "stopped")]), "Failed"),
    ("never started", pod(), task("stopped", [known("c", "waiting")]), "Failed"),
    ("ended, nothing known", pod(), task("stopped"), "Failed"),
    ("both ended well", TWO, task("stopped", [known("c", "stopped", 0), known("d", "stopped", 0)]), "Succeeded"),
    ("one of two badly", TWO, task("stopped", [known("c", "stopped", 0), known("d", "stopped", 3)]), "Failed"),
    ("one of two unknown", TWO, task("stopped", [known("c", "stopped", 0)]), "Failed"),
    (
        "sidecar was killed at the end",
        WITH_SIDECAR,
        task("stopped", [known("s", "stopped", 143), known("c", "stopped", 0)]),
        "Succeeded",
    ),
    ("ended well after the deadline", OVERDUE, task("stopped", [known("c", "stopped", 0)]), "Failed"),
    ("ended well before the deadline", IN_TIME, task("stopped", [known("c", "stopped", 0)]), "Succeeded"),
]


@pytest.mark.parametrize(("obj", "state", "phase"), [row[1:] for row in PHASES], ids=[row[0] for row in PHASES])
def test_phase(obj: JSON, state: TaskState, phase: str) -> None:
    assert pod_phase(obj, state) == phase
    assert next_status(obj, state, now=NOW)["phase"] == phase


@pytest.mark.parametrize("before", [(), ("waiting",), ("running",)])
@pytest.mark.parametrize("phase", get_args(TaskPhase))
@pytest.mark.parametrize("containers", list(product(get_args(ContainerPhase), repeat=2)))
def test_phase_and_containers_of_a_status_agree(
    phase: TaskPhase, containers: tuple[ContainerPhase, ...], before: tuple[ContainerPhase, ...]
) -> None:
    obj = TWO
    for each in before:
        obj = {**obj, "status": next_status(obj, task("running", [known("c", each), known("d", each)]), now=BEFORE)}

    found = next_status(obj, task(phase, [known("c", containers[0]), known("d", containers[1])]), now=NOW)

    running = ["running" in each["state"] for each in found["containerStatuses"]]
    ready = [each["ready"] for each in found["containerStatuses"]]
    assert not any(running) or found["phase"] == "Running"
    assert ready == running
    assert (conditions(found)["Ready"][0] == "True") is all(ready)


def conditions(status: JSON) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each.get("reason", "")) for each in status["conditions"]}


CONDITIONS: list[tuple[str, JSON, TaskState, dict[str, tuple[str, str]]]] = [
    (
        "pending",
        pod(),
        task("pending"),
        {
            "PodReadyToStartContainers": ("False", ""),
            "Initialized": ("True", ""),
            "Ready": ("False", "ContainersNotReady"),
            "ContainersReady": ("False", "ContainersNotReady"),
            "PodScheduled": ("True", ""),
        },
    ),
    (
        "init runs",
        WITH_INIT,
        task("running", [known("i"), known("c", "waiting")], address="10.0.0.1"),
        {
            "PodReadyToStartContainers": ("True", ""),
            "Initialized": ("False", "ContainersNotInitialized"),
            "Ready": ("False", "ContainersNotReady"),
            "ContainersReady": ("False", "ContainersNotReady"),
            "PodScheduled": ("True", ""),
        },
    ),
    (
        "running",
        pod(),
        task("running", [known()], address="10.0.0.1"),
        {
            "PodReadyToStartContainers": ("True", ""),
            "Initialized": ("True", ""),
            "Ready": ("True", ""),
            "ContainersReady": ("True", ""),
            "PodScheduled": ("True", ""),
        },
    ),
    (
        "succeeded",
        pod(),
        task("stopped", [known("c", "stopped", 0)]),
        {
            "PodReadyToStartContainers": ("False", ""),
            "Initialized": ("True", "PodCompleted"),
            "Ready": ("False", "PodCompleted"),
            "ContainersReady": ("False", "PodCompleted"),
            "PodScheduled": ("True", ""),
        },
    ),
    (
        "failed",
        pod(),
        task("stopped", [known("c", "stopped", 1)]),
        {
            "PodReadyToStartContainers": ("False", ""),
            "Initialized": ("True", ""),
            "Ready": ("False", "PodFailed"),
            "ContainersReady": ("False", "PodFailed"),
            "PodScheduled": ("True", ""),
        },
    ),
    (
        "about to be taken away",
        pod(),
        task("running", [known()], address="10.0.0.1", interrupted=True),
        {
            "PodReadyToStartContainers": ("True", ""),
            "Initialized": ("True", ""),
            "Ready": ("True", ""),
            "ContainersReady": ("True", ""),
            "PodScheduled": ("True", ""),
            "DisruptionTarget": ("True", "TerminationByKubelet"),
        },
    ),
]


@pytest.mark.parametrize(
    ("obj", "state", "expected"), [row[1:] for row in CONDITIONS], ids=[row[0] for row in CONDITIONS]
)
def test_conditions(obj: JSON, state: TaskState, expected: dict[str, tuple[str, str]]) -> None:
    assert conditions(next_status(obj, state, now=NOW)) == expected


def test_terminal_pod_never_changes() -> None:
    ended = after(pod(), task("stopped", [known("c", "stopped", 1)]))

    assert after(ended, task("running", [known()]), task("stopped", [known("c", "stopped", 0)])) == ended


def test_same_report_twice_gives_the_same_status() -> None:
    for _, obj, state, _ in PHASES:
        once = after(obj, state)

        assert after(once, state) == once


def test_condition_keeps_its_time_until_its_status_changes() -> None:
    begun = after(pod(), task("pending"), task("running", [known()]))

    times = {each["type"]: each["lastTransitionTime"] for each in begun["status"]["conditions"]}
    assert times["PodScheduled"] == "2026-01-02T03:04:05Z"
    assert times["Ready"] == "2026-01-02T03:04:06Z"


def test_addresses_and_start_time_are_told() -> None:
    state = task("running", [known()], address="10.0.0.1", host_address="10.9.9.9", created_at=BEFORE)

    status = next_status(pod(), state, now=NOW)

    assert status["podIP"] == "10.0.0.1"
    assert status["podIPs"] == [{"ip": "10.0.0.1"}]
    assert status["hostIP"] == "10.9.9.9"
    assert status["hostIPs"] == [{"ip": "10.9.9.9"}]
    assert status["startTime"] == "2026-01-02T03:03:05Z"
    assert status["qosClass"] == "BestEffort"


def test_address_survives_a_report_without_one() -> None:
    ended = after(pod(), task("running", [known()], address="10.0.0.1"), task("stopped", [known("c", "stopped", 0)]))

    assert ended["status"]["podIP"] == "10.0.0.1"


FAILED: list[tuple[str, JSON, list[ContainerState], JSON]] = [
    ("exit codes speak for themselves", pod(), [known("c", "stopped", 1)], {}),
    ("never started", pod(), [known("c", "waiting")], {"reason": "Stopped", "message": "because"}),
    (
        "overdue",
        OVERDUE,
        [known("c", "stopped", 143)],
        {"reason": "DeadlineExceeded", "message": "Pod was active on the node longer than the specified deadline"},
    ),
]


@pytest.mark.parametrize(("obj", "containers", "expected"), [r[1:] for r in FAILED], ids=[r[0] for r in FAILED])
def test_reason_of_a_failed_pod(obj: JSON, containers: list[ContainerState], expected: JSON) -> None:
    status = next_status(obj, task("stopped", containers, reason="Stopped", message="because"), now=NOW)

    assert {key: status[key] for key in ("reason", "message") if key in status} == expected


def test_pod_waits_for_its_mounts_as_with_a_kubelet() -> None:
    missing = [Missing(MOUNT, 'MountVolume.SetUp failed for volume "v" : configmap "x" not found', "configmaps", "x")]

    status = waiting_status(pod(), missing, now=NOW)

    assert status["phase"] == "Pending"
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert conditions(status)["Ready"] == ("False", "ContainersNotReady")


def test_only_the_container_that_lacks_a_variable_says_so() -> None:
    missing = [Missing(CONFIG, 'secret "x" not found', "secrets", "x", container="d")]

    first, second = waiting_status(TWO, missing, now=NOW)["containerStatuses"]

    assert first["state"] == {"waiting": {"reason": "ContainerCreating"}}
    why = {"reason": "CreateContainerConfigError", "message": 'secret "x" not found'}
    assert second["state"] == {"waiting": why}


def test_init_containers_wait_too() -> None:
    missing = [Missing(MOUNT, "no", "configmaps", "x")]

    status = waiting_status(WITH_INIT, missing, now=NOW)

    initializing = {"waiting": {"reason": "PodInitializing"}}
    assert status["initContainerStatuses"][0]["state"] == initializing
    assert status["containerStatuses"][0]["state"] == initializing
    assert conditions(status)["Initialized"] == ("False", "ContainersNotInitialized")


def test_pod_without_its_claim_is_unschedulable() -> None:
    missing = [Missing(SCHEDULE, 'persistentvolumeclaim "x" not found', "persistentvolumeclaims", "x")]

    status = waiting_status(pod(), missing, now=NOW)

    assert conditions(status) == {"PodScheduled": ("False", "Unschedulable")}


def test_pod_that_no_provider_takes_stays_pending() -> None:
    status = unscheduled_status(pod(), "Capacity", "none left", now=NOW)

    assert status["phase"] == "Pending"
    assert conditions(status) == {"PodScheduled": ("False", "Capacity")}
    assert status["conditions"][0]["message"] == "none left"


def test_condition_that_is_not_ours_stays() -> None:
    obj = pod()
    obj["status"]["conditions"] = [{"type": "example.com/gate", "status": "True"}]

    status = next_status(obj, task("running", [known()]), now=NOW)

    assert {"type": "example.com/gate", "status": "True"} in status["conditions"]
