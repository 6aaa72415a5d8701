"""What the PodController keeps in a pod besides its status: the task's handle and last version. Pure."""

from __future__ import annotations

import json
from datetime import datetime

from chalicelib.apimachinery.accessors import annotations_of, is_deleting, is_terminal, spec_of, status_of
from chalicelib.apimachinery.rules.integers import parse_int64
from chalicelib.apimachinery.rules.time import find_time, format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.status import launched_again_status, next_status
from chalicelib.controllers.podmodel.usage import rate_text
from chalicelib.providers.base import TaskState
from chalicelib.resources.pods.marks import BILLED_FROM, FAILED_STARTS, RATE, SIZE, TASK_ANNOTATION, VERSION_ANNOTATION

ADDRESSES = ("podIP", "podIPs", "hostIP", "hostIPs")
LAUNCHES = 5  # of a pod whose tasks end before they begin: minutes, with a schedule of one; then it fails
DEFAULT_GRACE_SECONDS = 30  # Kubernetes' own
LONGEST_GRACE_SECONDS = 365 * 86400  # the field takes any int64, which no timer of a provider does
SHORTEST_GRACE_SECONDS = 1.0  # what is left of a grace that ran out during a downtime


def handle_of(pod: JSON) -> str:
    """Return the provider's handle of the pod's task, empty if none is known."""
    return str(annotations_of(pod).get(TASK_ANNOTATION, ""))


def version_of(pod: JSON) -> int | None:
    """Return the version of the last recorded task state, None before the first."""
    return parse_int64(str(annotations_of(pod).get(VERSION_ANNOTATION, "")))


def failed_starts(pod: JSON) -> tuple[str, ...]:
    """Return the handles of the pod's tasks that ended before they began."""
    text = annotations_of(pod).get(FAILED_STARTS, "")
    return tuple(str(text).split(",")) if text else ()


def is_gated(pod: JSON) -> bool:
    """Return whether scheduling gates hold the pod back."""
    return bool(pod["spec"].get("schedulingGates"))


def is_newer(pod: JSON, state: TaskState) -> bool:
    """Return whether a state is of this pod's task and later than what is recorded."""
    handle, version = handle_of(pod), version_of(pod)
    if not handle:
        return state.handle not in failed_starts(pod)  # a late or repeated report of such a task
    return handle == state.handle and (version is None or state.version > version)


def with_state(pod: JSON, state: TaskState, *, node_name: str, now: datetime) -> JSON | None:
    """Return the pod after a provider's report, None if that changes nothing.

    A version alone is not worth a write, nor is the address of a pod of which nothing runs yet: they are recorded with
    the next thing that changes. A terminal pod is never changed again.
    """
    if is_terminal(pod) or not is_newer(pod, state):
        return None
    status = next_status(pod, state, now=now)
    ignored = dict.fromkeys(ADDRESSES) if status.get("phase") == "Pending" else {}
    if handle_of(pod) and {**status, **ignored} == {**status_of(pod), **ignored}:
        return None
    annotations = {**annotations_of(pod), TASK_ANNOTATION: state.handle, VERSION_ANNOTATION: str(state.version)}
    billed_from = dict(state.times).get("pull_started")
    if billed_from is not None:
        annotations[BILLED_FROM] = format_time(billed_from)
    if state.size:
        annotations[SIZE] = json.dumps(dict(state.size))
    annotations[RATE] = rate_text({**pod, "metadata": {**pod["metadata"], "annotations": annotations}})
    return {
        **pod,
        "metadata": {**pod["metadata"], "annotations": annotations},
        "spec": {**pod["spec"], "nodeName": pod["spec"].get("nodeName") or node_name},
        "status": status,
    }


def without_task(pod: JSON, state: TaskState, *, now: datetime) -> JSON | None:
    """Return the pod as one to be launched again; None if its task did begin, or too many have failed to."""
    failed = failed_starts(pod)
    if not state.passing or is_terminal(pod) or is_deleting(pod):
        return None
    if not is_newer(pod, state) or len(failed) + 1 >= LAUNCHES:
        return None
    ours = (TASK_ANNOTATION, VERSION_ANNOTATION, BILLED_FROM, SIZE, RATE)
    annotations = annotations_of(pod)
    kept = {name: text for name, text in annotations.items() if name not in ours}
    return {
        **pod,
        "metadata": {**pod["metadata"], "annotations": {**kept, FAILED_STARTS: ",".join([*failed, state.handle])}},
        "spec": {name: value for name, value in pod["spec"].items() if name != "nodeName"},
        "status": launched_again_status(pod, state.passing, state.message, now=now),
    }


def lost_task(pod: JSON, *, now: datetime) -> TaskState:
    """Return the last state of a task that its provider no longer knows."""
    return TaskState(
        uid=pod["metadata"]["uid"],
        handle=handle_of(pod),
        phase="stopped",
        reason="TaskLost",
        message="The provider no longer knows the pod's task",
        version=(version_of(pod) or 0) + 1,
        stopped_at=now,
    )


def task_grace_seconds(pod: JSON) -> int:
    """Return how long the pod's task may take to end once it is asked to."""
    given = spec_of(pod).get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS)
    return min(int(given), LONGEST_GRACE_SECONDS)


def grace_left(pod: JSON, now: datetime) -> float:
    """Return the seconds a deleting pod has left; 0 only if it was to be stopped at once."""
    given = pod["metadata"].get("deletionGracePeriodSeconds")
    if given == 0:
        return 0.0
    end = find_time(pod["metadata"].get("deletionTimestamp"))
    left = (end - now).total_seconds() if end else float(given or 0)
    bounded = min(left, LONGEST_GRACE_SECONDS, float(given or LONGEST_GRACE_SECONDS))
    return max(SHORTEST_GRACE_SECONDS, bounded)
