"""What a pod's status says of one container: pure (declared, known, said before) -> containerStatus.

Compare convertToAPIContainerStatuses in kubernetes/pkg/kubelet/kubelet_pods.go, v1.36.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chalicelib.apimachinery.accessors import status_of
from chalicelib.apimachinery.rules.time import find_time, format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.resources import is_sidecar
from chalicelib.providers.base import ContainerState, TaskState

UNKNOWN_EXIT_CODE = 137  # what a kubelet writes for a container whose end nobody saw
UNKNOWN_MESSAGE = "The container could not be located when the pod was terminated"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a status depends on besides its container: the task, and whether init containers hold it up."""

    task: TaskState
    initializing: bool
    now: datetime


def all_statuses(pod: JSON) -> list[JSON]:
    """Return the statuses of a pod's containers, init containers first."""
    status = status_of(pod)
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def last_end(pod: JSON) -> datetime | None:
    """Return when the last main container ended, None if none has."""
    statuses = status_of(pod).get("containerStatuses") or ()
    ended = [(each.get("state") or {}).get("terminated") or {} for each in statuses]
    return max((found for each in ended if (found := find_time(each.get("finishedAt")))), default=None)


def container_status(
    container: JSON, known: ContainerState | None, old: JSON, around: Circumstances, *, init: bool
) -> JSON:
    """Return the status of a declared container; `known` is None if the provider says nothing of it."""
    state = _state(known, old, around, waits=around.initializing and not init)
    running, ended = "running" in state, state.get("terminated")
    restarts = max(known.restarts if known else 0, old.get("restartCount", 0))
    completed_init = init and not is_sidecar(container) and ended is not None and ended["exitCode"] == 0
    status: JSON = {
        "name": container["name"],
        "state": state,
        "lastState": _last_state(known, old, restarts),
        "ready": completed_init or (running and (not init or is_sidecar(container))),
        "started": running,
        "restartCount": restarts,
        "image": (known.image if known else "") or old.get("image") or container.get("image", ""),
        "imageID": old.get("imageID", ""),
    }
    container_id = (known.container_id if known else "") or old.get("containerID")
    if container_id:
        status["containerID"] = container_id
    return status


def waiting_statuses(containers: list[JSON], reasons: dict[str, tuple[str, str]]) -> list[JSON]:
    """Return the statuses of containers that have not started; `reasons` holds (reason, message) by name."""
    statuses = []
    for container in containers:
        reason, message = reasons[container["name"]]
        statuses.append(
            {
                "name": container["name"],
                "state": {"waiting": _reasoned(reason, message)},
                "lastState": {},
                "ready": False,
                "started": False,
                "restartCount": 0,
                "image": container.get("image", ""),
                "imageID": "",
            }
        )
    return statuses


def _state(known: ContainerState | None, old: JSON, around: Circumstances, *, waits: bool) -> JSON:
    """Return one of waiting, running and terminated.

    Of a stopped task, a container that was seen to run has ended, with whatever is known of that; one that
    never ran still waits, and its reason tells why.
    """
    task = around.task
    if task.phase == "stopped":
        was_running = bool({"running", "terminated"} & set(old.get("state") or {}))
        if was_running or _has_run(known):
            return {"terminated": _terminated(known, old, around)}
        reason = (known.reason if known else "") or task.reason or "ContainerCreating"
        return {"waiting": _reasoned(reason, (known.message if known else "") or task.message)}
    if known is not None and known.phase == "running":
        return {"running": {"startedAt": _started_at(known, old, around)}}
    if known is not None and known.phase == "stopped":
        return {"terminated": _terminated(known, old, around)}
    default = "PodInitializing" if waits else "ContainerCreating"
    if known is None:
        return {"waiting": _reasoned(default if waits or not task.reason else task.reason, task.message)}
    reason = known.reason or (default if waits else task.reason or default)
    return {"waiting": _reasoned(reason, known.message or task.message)}


def _has_run(known: ContainerState | None) -> bool:
    if known is None:
        return False
    return known.phase != "waiting" or known.exit_code is not None or known.started_at is not None


def _terminated(known: ContainerState | None, old: JSON, around: Circumstances) -> JSON:
    before = (old.get("state") or {}).get("terminated")
    if before and (known is None or known.exit_code in (None, before["exitCode"])):
        found: JSON = before  # ends once, whoever tells of it again
        return found
    code = known.exit_code if known else None
    finished = (known.finished_at if known else None) or around.task.stopped_at or around.now
    ended: JSON = {
        "exitCode": UNKNOWN_EXIT_CODE if code is None else code,
        "reason": _end_reason(known, around.task),
        "startedAt": _started_at(known, old, around),
        "finishedAt": format_time(finished),
    }
    message = known.message if known else ""
    if code is None:
        message = message or around.task.message or UNKNOWN_MESSAGE
    if message:
        ended["message"] = message
    container_id = (known.container_id if known else "") or old.get("containerID")
    if container_id:
        ended["containerID"] = container_id
    return ended


def _end_reason(known: ContainerState | None, task: TaskState) -> str:
    if known and known.reason:
        return known.reason
    if known is None or known.exit_code is None:
        return task.reason or "ContainerStatusUnknown"
    return "Completed" if known.exit_code == 0 else "Error"


def _started_at(known: ContainerState | None, old: JSON, around: Circumstances) -> str | None:
    """Return when the container's present run began; the same text however often it is asked."""
    if known and known.started_at:
        return format_time(known.started_at)
    state = old.get("state") or {}
    before = (state.get("running") or state.get("terminated") or {}).get("startedAt")
    same_run = known is None or known.restarts <= old.get("restartCount", 0)
    if before and same_run:
        return str(before)
    if known and known.phase == "running":
        return format_time(around.task.started_at or around.now)
    return format_time(around.task.started_at) if around.task.started_at else None


def _last_state(known: ContainerState | None, old: JSON, restarts: int) -> JSON:
    """Return how the run before the present one ended."""
    ended = (old.get("state") or {}).get("terminated")
    has_restarted = restarts > old.get("restartCount", 0)
    waits_again = known is not None and known.phase == "waiting"
    if ended and (has_restarted or waits_again):
        return {"terminated": ended}
    last: JSON = old.get("lastState") or {}
    return last


def _reasoned(reason: str, message: str) -> JSON:
    return {"reason": reason, "message": message} if message else {"reason": reason}
