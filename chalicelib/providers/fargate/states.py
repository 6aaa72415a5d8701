"""What ECS reports of a task as a TaskState. Pure, for the API's answers and EventBridge's events alike.

Amazon ECS Developer Guide, "Amazon ECS task state change events" and "Stopped tasks error codes"; API Reference,
Task (2014-11-13). Events carry times as text, the API as datetime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from chalicelib.providers.base import ContainerPhase, ContainerState, TaskPhase, TaskState
from chalicelib.providers.fargate import capacity, clients
from chalicelib.providers.fargate.identity import START_FAILED
from chalicelib.providers.fargate.payload import FETCHER, NO_FILES, NOT_NEEDED
from chalicelib.providers.fargate.prices import CPU_UNITS, GIB, SIZES

Raw = Mapping[str, Any]  # a task as ECS writes it

INTERRUPTED = ("SpotInterruption", "TerminationNotice")
STOPPED = "UserInitiated"  # the stop code of a task that somebody has ended by StopTask: we, or another
OURS = "sparkanywhere: "  # how the reason of our own StopTask begins
ENDED = (STOPPED, *INTERRUPTED)  # stop codes of tasks that were ended from outside
KILLED = 137  # the exit code of a container that SIGKILL has ended
TIMES = {
    "connectivity": "connectivityAt",
    "pull_started": "pullStartedAt",
    "pull_stopped": "pullStoppedAt",
    "stopping": "stoppingAt",
    "execution_stopped": "executionStoppedAt",
}
# What begins a stop reason, and the reason that Kubernetes users know for it.
REASONS: tuple[tuple[str, str], ...] = (
    ("CannotPullContainerError", "ErrImagePull"),
    ("CannotPullImageManifestError", "ErrImagePull"),
    ("CannotPullECRContainerError", "ErrImagePull"),
    ("CannotCreateContainerError", "CreateContainerError"),
    ("CannotStartContainerError", "RunContainerError"),
    ("CannotStartContainer", "RunContainerError"),
    # Definitions of ours name no secrets: what cannot be had is the login to the registry.
    ("ResourceInitializationError: unable to pull secrets or registry auth", "ErrImagePull"),
    ("ResourceInitializationError", "CreateContainerError"),
    ("OutOfMemoryError", "OOMKilled"),
    ("Your Spot Task was interrupted", "SpotInterruption"),
)
STOP_CODES = {
    "SpotInterruption": "SpotInterruption",
    "TerminationNotice": "SpotInterruption",
    "InfrastructureHealth": "InfrastructureHealth",
    "TaskFailedToStart": "TaskFailedToStart",
}


def task_state(raw: Raw) -> TaskState:
    """Return the state of a task; startedBy is the pod's uid, since ECS keeps tags out of events."""
    fetcher, others = _parted(raw)
    containers = tuple(_container(each, raw) for each in others)
    status = raw.get("lastStatus")
    phase: TaskPhase = "running" if status in ("RUNNING", "DEACTIVATING", "STOPPING") else "pending"
    # Taking the network down can last a minute more: the task has ended when its containers have.
    if status == "STOPPED" or (containers and all(each.phase == "stopped" for each in containers)):
        phase = "stopped"
    said = str(raw.get("stoppedReason") or "")
    text = said.removeprefix(OURS)
    reason = _known_reason(text) or STOP_CODES.get(str(raw.get("stopCode") or ""), "")
    by_another = raw.get("stopCode") == STOPPED and not said.startswith(OURS)
    if by_another:
        reason, text = STOPPED, f"the task was stopped by StopTask, not from here: {text or 'no reason was given'}"
    # the first event of a stopped task has no time of its end yet, but its own
    ends = (_time(raw.get(name)) for name in ("executionStoppedAt", "stoppedAt", "updatedAt"))
    return TaskState(
        uid=str(raw.get("startedBy") or ""),
        handle=str(raw["taskArn"]),
        phase=phase,
        containers=containers,
        address=_address(raw),
        reason=reason if phase == "stopped" else "",
        message=f"{text}: {NO_FILES}".lstrip(": ") if _has_failed(fetcher, raw) else text,
        version=int(raw.get("version") or 0),
        interrupted=raw.get("stopCode") in INTERRUPTED,
        stopped_by_another=by_another,
        passing=_passing(raw) if phase == "stopped" else "",
        created_at=_time(raw.get("createdAt")),
        started_at=_time(raw.get("startedAt")),
        stopped_at=next(filter(None, ends), None) if phase == "stopped" else None,
        size=_size(raw),
        zone=str(raw.get("availabilityZone") or ""),
        definition=str(raw.get("taskDefinitionArn") or "").rpartition("/")[2],
        capacity=capacity.NAMES.get(provider := str(raw.get("capacityProviderName") or ""), provider),
        times=tuple((name, moment) for name, key in TIMES.items() if (moment := _time(raw.get(key)))),
    )


def _size(raw: Raw) -> tuple[tuple[str, str], ...]:
    """Return what Fargate has given the task, as quantities of Kubernetes."""
    cpu, memory = int(raw.get("cpu") or 0), int(raw.get("memory") or 0)
    if not cpu or not memory:
        return ()
    disk_gib = (raw.get("ephemeralStorage") or {}).get("sizeInGiB") or SIZES.included_disk_gib
    memory_text = f"{memory}Mi" if memory % GIB else f"{memory // GIB}Gi"
    cores = f"{cpu // CPU_UNITS}" if cpu % CPU_UNITS == 0 else f"{cpu * 1000 // CPU_UNITS}m"
    return (("cpu", cores), ("memory", memory_text), ("ephemeral-storage", f"{disk_gib}Gi"))


def _passing(raw: Raw) -> str:
    """Return why a task that never began may begin another time, "" if it has begun, or never can."""
    every: Sequence[Raw] = raw.get("containers") or ()
    if raw.get("stopCode") != "TaskFailedToStart" or any(each.get("exitCode") is not None for each in every):
        return ""
    texts = (raw.get("stoppedReason"), *(each.get("reason") for each in every))
    return next((reason for text in texts if text and (reason := clients.passing(str(text)))), "")


def _parted(task: Raw) -> tuple[Raw, Sequence[Raw]]:
    """Return the container that fetches the payload, {} if there is none, and the pod's own."""
    every: Sequence[Raw] = task.get("containers") or ()
    fetcher: Raw = next((each for each in every if each["name"] == FETCHER), {})
    return fetcher, [each for each in every if each["name"] != FETCHER]


def _has_failed(fetcher: Raw, task: Raw) -> bool:
    """Return whether the payload could not be fetched: not of a task that was ended while it fetched, or waited."""
    code = fetcher.get("exitCode")
    return bool(code) and code != NOT_NEEDED and not (code == KILLED and task.get("stopCode") in ENDED)


def _container(raw: Raw, task: Raw) -> ContainerState:
    status, code = raw.get("lastStatus"), raw.get("exitCode")
    phase: ContainerPhase = {"RUNNING": "running", "STOPPED": "stopped"}.get(str(status), "waiting")  # type: ignore[assignment]
    text = str(raw.get("reason") or "") or _not_begun(raw, task)
    ended = "ContainerStatusUnknown" if code is None else "Error" if int(code) else "Completed"
    return ContainerState(
        name=str(raw["name"]),
        phase=phase,
        exit_code=int(code) if code is not None else None,
        reason=_known_reason(text) or (ended if phase == "stopped" else "ContainerCreating"),
        message=text,
        container_id=str(raw.get("runtimeId") or ""),
        image=str(raw.get("image") or ""),
    )


def _not_begun(raw: Raw, task: Raw) -> str:
    """Return why a container has not run its command, "" if it has or nobody knows."""
    if raw.get("exitCode") != START_FAILED:
        return ""
    fetcher, others = _parted(task)
    if _has_failed(fetcher, task):
        return NO_FILES
    failed = [each["name"] for each in others if each.get("exitCode") not in (None, 0, START_FAILED)]
    return f"{', '.join(failed)} has failed" if failed else ""


def _known_reason(text: str) -> str:
    return next((reason for start, reason in REASONS if text.startswith(start)), "")


def _address(raw: Raw) -> str:
    for attachment in raw.get("attachments") or ():
        for detail in attachment.get("details") or ():
            if detail.get("name") == "privateIPv4Address":
                return str(detail.get("value") or "")
    for container in raw.get("containers") or ():
        for interface in container.get("networkInterfaces") or ():
            if interface.get("privateIpv4Address"):
                return str(interface["privateIpv4Address"])
    return ""


def _time(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, str) and value:
        return datetime.fromisoformat(value.replace("Z", "+00:00")).astimezone(UTC)
    return None
