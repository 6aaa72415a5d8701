"""What a pod of a Spark application itself says of why it ended, without its log: pure."""

from __future__ import annotations

from chalicelib.apimachinery.accessors import annotations_of, is_deleting, is_terminal, labels_of, spec_of, status_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.causes.advice import more_memory
from chalicelib.controllers.causes.tasks import JVM_OUT_OF_MEMORY
from chalicelib.controllers.podmodel.budget import BUDGET_REASON
from chalicelib.controllers.podmodel.container_status import UNKNOWN_MESSAGE, all_statuses
from chalicelib.controllers.podmodel.status import DEADLINE_REASON, REJECTED
from chalicelib.resources.pods.marks import ENDED_BY
from chalicelib.resources.pods.podrecords import is_cut_short

ROLE = "spark-role"
DRIVER, EXECUTOR = "driver", "executor"
OUT_OF_MEMORY = "OOMKilled"
ON_ITS_WAY = ("ContainerCreating", "PodInitializing")  # reasons that a container waits for before each start
STATUS_FIELDS = ("initContainerStatuses", "containerStatuses")


def cause_of(pod: JSON) -> str:
    """Return why a pod failed, or was ended, as it says itself, "" if it has not failed or does not say."""
    if is_cut_short(pod) and (by := annotations_of(pod).get(ENDED_BY)):
        return str(by)  # also of one that never started, whose status can only tell that it is gone
    status = status_of(pod)
    if status.get("phase") != "Failed":
        return ""
    failed = [each for each in map(_terminated, all_statuses(pod)) if each.get("exitCode")]
    told = next((str(each["message"]) for each in failed if each.get("message")), "")
    said = str(status.get("message") or status.get("reason") or "")
    return told or said.removeprefix(REJECTED)


def why_pending(pod: JSON) -> str:
    """Return why a pod that is Pending does not start, "" if it is on its way, or runs."""
    status = status_of(pod)
    if status.get("phase") != "Pending":
        return ""
    for each in all_statuses(pod):
        waiting = (each.get("state") or {}).get("waiting") or {}
        if waiting.get("message") and waiting.get("reason") not in ON_ITS_WAY:
            return f"{waiting['reason']}: {waiting['message']}"
    unscheduled = [each for each in _conditions(pod) if each["type"] == "PodScheduled"]
    said = next((each.get("message", "") for each in unscheduled if each["status"] == "False"), "")
    return said or str(status.get("message", ""))


def unexplained(pod: JSON) -> JSON | None:
    """Return the status of the container that a driver failed with, None if there is none or it says why."""
    if labels_of(pod).get(ROLE) != DRIVER or not is_terminal(pod):
        return None
    failed = [each for each in all_statuses(pod) if _terminated(each).get("exitCode")]
    return failed[0] if failed and not _terminated(failed[0]).get("message") else None


def with_message(pod: JSON, container: str, message: str) -> JSON:
    """Return a pod's status with a container's termination message."""
    status = {**status_of(pod)}
    for field in STATUS_FIELDS:
        if field in status:
            status[field] = [_told(each, message) if each["name"] == container else each for each in status[field]]
    return status


def explained(pod: JSON) -> JSON:
    """Return a pod that has ended with what is known without its log as its containers' termination messages."""
    role = labels_of(pod).get(ROLE)
    if role not in (DRIVER, EXECUTOR) or not is_terminal(pod):
        return pod
    for each in all_statuses(pod):
        ended = _terminated(each)
        is_told = ended.get("message") not in (None, "", UNKNOWN_MESSAGE)
        is_told = is_told and ended.get("reason") != OUT_OF_MEMORY  # of which providers tell figures alone
        if ended.get("exitCode") and not is_told and (message := _message(pod, role, each)):
            pod = {**pod, "status": with_message(pod, each["name"], message)}
    return pod


def _message(pod: JSON, role: str, container: JSON) -> str:
    status, ended = status_of(pod), _terminated(container)
    if status.get("reason") == DEADLINE_REASON:
        return f"it ran longer than the {spec_of(pod).get('activeDeadlineSeconds')} s that it may (--time-limit)"
    if status.get("reason") == BUDGET_REASON:
        return f"it has spent its budget (--max-usd): {status.get('message', '')}"
    if ended.get("reason") == OUT_OF_MEMORY:
        figures = ended.get("message") or _memory_limit(pod, container["name"])
        advice = more_memory(role, heap=False)
        return figures if advice in figures else f"the {role} used more memory than its pod may ({figures}): {advice}"
    if any(each.get("type") == "DisruptionTarget" and each.get("status") == "True" for each in _conditions(pod)):
        return "the provider took its capacity back, as it may with Spot"
    if role == EXECUTOR:
        heap = ended["exitCode"] == JVM_OUT_OF_MEMORY
        return f"it ran out of memory (Java heap space): {more_memory(role, heap=True)}" if heap else ""
    killed = annotations_of(pod).get(ENDED_BY) or "it was killed: its pod was deleted while it ran"
    return str(killed) if is_deleting(pod) else ""


def _conditions(pod: JSON) -> list[JSON]:
    return status_of(pod).get("conditions") or []


def _memory_limit(pod: JSON, container: str) -> str:
    """Return the limit of a container's memory."""
    spec = spec_of(pod)
    every = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    limits = [(each.get("resources") or {}).get("limits") or {} for each in every if each["name"] == container]
    return str(limits[0].get("memory", "no limit")) if limits else "no limit"


def _terminated(container: JSON) -> JSON:
    found: JSON = (container.get("state") or {}).get("terminated") or {}
    return found


def _told(container: JSON, message: str) -> JSON:
    ended = _terminated(container)
    return {**container, "state": {"terminated": {**ended, "message": message}}} if ended else container
