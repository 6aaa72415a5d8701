"""What a pod's status says of one container: pure (declared, known, said before) -> containerStatus.

Compare convertToAPIContainerStatuses in kubernetes/pkg/kubelet/kubelet_pods.go, v1.36.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chalicelib.apimachinery.accessors import annotations_of, is_terminal, status_of
from chalicelib.apimachinery.rules.time import find_time, format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.providers.base import ContainerState, TaskState
from chalicelib.resources.pods.marks import ENDED_AT
from chalicelib.resources.pods.totals import is_sidecar

Run = tuple[str, int, str]  # containerID, restartCount, startedAt

BACK_OFF = "CrashLoopBackOff"
UNKNOWN_EXIT_CODE = 137  # what a kubelet writes for a container whose end was not observed
UNKNOWN_MESSAGE = "The container could not be located when the pod was terminated"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a status depends on besides its container: the task, and whether init containers hold it up.

    `pod` names the pod as a kubelet's messages do: NAME_NAMESPACE(UID). With `probes` they are run: what has a
    readiness probe is not ready before that has succeeded.
    """

    task: TaskState
    pod: str
    initializing: bool
    probes: bool
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


def finished_at(pod: JSON) -> datetime | None:
    """Return when a finished pod's last container ended, else its task, else when found finished, else created."""
    if not is_terminal(pod):
        return None
    if ended := last_end(pod) or find_time(annotations_of(pod).get(ENDED_AT)):
        return ended
    ready = [each for each in status_of(pod).get("conditions") or () if each.get("type") == "Ready"]
    seen = find_time(ready[0].get("lastTransitionTime")) if ready else None
    return seen or find_time(pod["metadata"].get("creationTimestamp"))


def container_status(
    container: JSON, known: ContainerState | None, old: JSON, around: Circumstances, *, init: bool
) -> JSON:
    """Return the status of a declared container; `known` is None if the provider says nothing of it."""
    if known is None:
        waits_again, known = False, ContainerState(container["name"], "waiting")
    else:
        waits_again = known.phase == "waiting"
    state = _state(known, old, around, waits=around.initializing and not init)
    running, ended = "running" in state, state.get("terminated")
    restarts = max(known.restarts, old.get("restartCount", 0) + _runs_anew(known, old))
    before = (old.get("state") or {}).get("terminated")
    last = old.get("lastState") or {}
    if known.last is not None:
        last = {"terminated": _terminated(known.last, {}, around)}
    elif before and (waits_again or restarts > old.get("restartCount", 0)):
        last = {"terminated": before}
    completed_init = init and not is_sidecar(container) and ended is not None and ended["exitCode"] == 0
    status: JSON = {
        "name": container["name"],
        "state": state,
        "lastState": last,
        "ready": completed_init or (running and (not init or is_sidecar(container))),
        "started": running,
        "restartCount": restarts,
        "image": known.image or old.get("image") or container.get("image", ""),
        "imageID": old.get("imageID", ""),
    }
    container_id = known.container_id or old.get("containerID")
    if container_id:
        status["containerID"] = container_id
    if around.probes and running:
        # What its probes have found of the same run stays; of another they have found nothing yet.
        same = run_of(status) == run_of(old)
        status["started"] = not container.get("startupProbe") or (same and bool(old.get("started")))
        found = not container.get("readinessProbe") or (same and bool(old.get("ready")))
        status["ready"] = status["ready"] and status["started"] and found
    return status


def run_of(status: JSON) -> Run | None:
    """Return what tells a container's run from its others, None while it does not run."""
    running = (status.get("state") or {}).get("running")
    if running is None:
        return None
    return str(status.get("containerID", "")), int(status.get("restartCount", 0)), str(running.get("startedAt"))


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


def _state(known: ContainerState, old: JSON, around: Circumstances, *, waits: bool) -> JSON:
    """Return one of waiting, running and terminated.

    Of a stopped task, a container that was seen to run has ended, with whatever is known of that; one that
    never ran still waits, and its reason tells why.
    """
    task, phase = around.task, known.phase
    if task.phase == "stopped":
        was_running = bool({"running", "terminated"} & set(old.get("state") or {}))
        has_run = phase != "waiting" or known.exit_code is not None or known.started_at is not None
        phase = "stopped" if was_running or has_run else "waiting"
    match phase:
        case "running":
            return {"running": {"startedAt": _started_at(known, old, around)}}
        case "stopped":
            return {"terminated": _terminated(known, old, around)}
    if waits and task.phase != "stopped":  # the task's reason is not this container's
        reason = known.reason or "PodInitializing"
    else:
        reason = known.reason or task.reason or "ContainerCreating"
    message = known.message or task.message
    if reason == BACK_OFF and message:
        message += f" pod={around.pod}"
    return {"waiting": _reasoned(reason, message)}


def _runs_anew(known: ContainerState, old: JSON) -> bool:
    """Return whether it was started again since, though its provider counts no further restart."""
    before = ((old.get("state") or {}).get("running") or {}).get("startedAt")
    if known.phase != "running" or known.started_at is None or known.restarts > old.get("restartCount", 0):
        return False
    return before is not None and format_time(known.started_at) > before


def _terminated(known: ContainerState, old: JSON, around: Circumstances) -> JSON:
    before = (old.get("state") or {}).get("terminated")
    if before and known.exit_code in (None, before["exitCode"]):
        found: JSON = before  # ends once, however often it is reported
        return found
    code, message = known.exit_code, known.message
    if code is None:
        code, message = UNKNOWN_EXIT_CODE, message or around.task.message or UNKNOWN_MESSAGE
        reason = around.task.reason or "ContainerStatusUnknown"
    else:
        reason = "Error" if code else "Completed"
    ended: JSON = {
        "exitCode": code,
        "reason": known.reason or reason,
        "startedAt": _started_at(known, old, around),
        "finishedAt": format_time(known.finished_at or around.task.stopped_at or around.now),
    }
    if message:
        ended["message"] = message
    container_id = known.container_id or old.get("containerID")
    if container_id:
        ended["containerID"] = container_id
    return ended


def _started_at(known: ContainerState, old: JSON, around: Circumstances) -> str | None:
    """Return when the container's present run began; the same text however often it is asked."""
    if known.started_at:
        return format_time(known.started_at)
    state = old.get("state") or {}
    before = (state.get("running") or state.get("terminated") or {}).get("startedAt")
    if before and known.restarts <= old.get("restartCount", 0):
        return str(before)
    started = around.task.started_at or (around.now if known.phase == "running" else None)
    return format_time(started) if started else None


def _reasoned(reason: str, message: str) -> JSON:
    return {"reason": reason, "message": message} if message else {"reason": reason}
