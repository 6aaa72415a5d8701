"""What the PodController keeps in a pod besides its status: the task's handle and last version. Pure."""

from __future__ import annotations

import json
from datetime import datetime

from chalicelib.apimachinery.accessors import annotations_of, is_deleting, is_terminal, spec_of, status_of
from chalicelib.apimachinery.rules.integers import parse_int64
from chalicelib.apimachinery.rules.time import find_time, format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.container_status import all_statuses, last_end
from chalicelib.controllers.podmodel.parked import is_parked
from chalicelib.controllers.podmodel.refusals import CONTAINER_REASONS, Refusal, is_driver
from chalicelib.controllers.podmodel.start_phases import start_text
from chalicelib.controllers.podmodel.status import next_status
from chalicelib.controllers.podmodel.usage import rate_text
from chalicelib.providers import registry
from chalicelib.providers.base import TaskState
from chalicelib.resources.pods.marks import (
    BILLED_FROM,
    BOUND_TASK,
    CAPACITY,
    DEFINITION,
    ENDED_AT,
    FAILED_STARTS,
    PAID_BEFORE,
    PARKED_POD,
    RATE,
    SIZE,
    START,
    TASK_ANNOTATION,
    VERSION_ANNOTATION,
    ZONE,
)

ADDRESSES = ("podIP", "podIPs", "hostIP", "hostIPs")
_WHICH_TASK = (TASK_ANNOTATION, VERSION_ANNOTATION, BOUND_TASK, PARKED_POD, DEFINITION)
# What tells of a pod's task.
OF_TASK = (*_WHICH_TASK, BILLED_FROM, ENDED_AT, PAID_BEFORE, SIZE, ZONE, CAPACITY, RATE, START)
LAUNCHES = 5  # of a pod whose tasks end before they begin: minutes, with a schedule of one; then it fails
LOST = "TaskLost"  # the reason of a task that its provider does not know
DEFAULT_GRACE_SECONDS = 30  # Kubernetes' own
LONGEST_GRACE_SECONDS = 365 * 86400  # the field takes any int64, which no timer of a provider does
SHORTEST_GRACE_SECONDS = 1.0  # what is left of a grace that ran out during a downtime


def handle_of(pod: JSON) -> str:
    """Return the provider's handle of the pod's task, empty if none is known."""
    return str(annotations_of(pod).get(TASK_ANNOTATION, ""))


def task_uid_of(pod: JSON) -> str:
    """Return the uid under which the provider tells of the pod's task: another one's, if that was started early."""
    return str(annotations_of(pod).get(BOUND_TASK) or pod["metadata"]["uid"])


def definition_of(pod: JSON) -> str:
    """Return what the provider has started the pod's task from, empty if that is not known."""
    return str(annotations_of(pod).get(DEFINITION, ""))


def version_of(pod: JSON) -> int | None:
    """Return the version of the last recorded task state, None before the first."""
    return parse_int64(str(annotations_of(pod).get(VERSION_ANNOTATION, "")))


def failed_starts(pod: JSON) -> tuple[str, ...]:
    """Return the handles of the last of the pod's tasks that ended before they began."""
    text = str(annotations_of(pod).get(FAILED_STARTS, "")).rpartition("+")[2]
    return tuple(text.split(",")) if text else ()


def launches(pod: JSON) -> int:
    """Return how many of the pod's tasks have ended before they began."""
    dropped = str(annotations_of(pod).get(FAILED_STARTS, "")).rpartition("+")[0]
    return (parse_int64(dropped) or 0) + len(failed_starts(pod))


def is_gated(pod: JSON) -> bool:
    """Return whether scheduling gates hold the pod back."""
    return bool(pod["spec"].get("schedulingGates"))


def is_newer(pod: JSON, state: TaskState) -> bool:
    """Return whether a state is of this pod's task and later than what is recorded."""
    handle, version = handle_of(pod), version_of(pod)
    if not handle:
        return state.handle not in failed_starts(pod)  # a late or repeated report of such a task
    return handle == state.handle and (version is None or state.version > version)


def with_state(pod: JSON, state: TaskState, *, node_name: str, now: datetime, probes: bool = False) -> JSON | None:
    """Return the pod after a provider's report, None if that changes nothing; `probes` is as in next_status.

    A version alone is not worth a write, nor is that a pod of which nothing runs yet has an address: they are recorded
    with the next thing that changes. A terminal pod is never changed again.
    """
    if is_terminal(pod) or not is_newer(pod, state):
        return None
    status = next_status(pod, state, now=now, probes=probes)
    billed_from, known_from = dict(state.times).get("pull_started"), find_time(annotations_of(pod).get(BILLED_FROM))
    is_due = billed_from is not None and known_from is None and is_parked(pod)  # it is paid for while nothing runs
    if handle_of(pod) and not is_due and _worth_a_write(status) == _worth_a_write(status_of(pod)):
        return None
    annotations = {**annotations_of(pod), TASK_ANNOTATION: state.handle, VERSION_ANNOTATION: str(state.version)}
    if billed_from is not None:
        since = known_from if BOUND_TASK in annotations else None  # until then the warm pod has paid
        annotations[BILLED_FROM] = format_time(max(billed_from, since or billed_from))
    if state.stopped_at is not None and is_terminal({"status": status}) and last_end({"status": status}) is None:
        annotations[ENDED_AT] = format_time(state.stopped_at)
    if state.size:
        annotations[SIZE] = json.dumps(dict(state.size))
    provider = registry.of_node(node_name) if is_driver(pod) else None  # a thousand executors need no advice
    advice = provider.start_advice if provider else {}
    start = annotations.get(START) or start_text(state, advice, is_bound=BOUND_TASK in annotations)
    given = {ZONE: state.zone, CAPACITY: state.capacity, DEFINITION: state.definition, START: start}
    annotations |= {name: text for name, text in given.items() if text}
    annotations[RATE] = rate_text({**pod, "metadata": {**pod["metadata"], "annotations": annotations}})
    return {
        **pod,
        "metadata": {**pod["metadata"], "annotations": annotations},
        "spec": {**pod["spec"], "nodeName": pod["spec"].get("nodeName") or node_name},
        "status": status,
    }


def _worth_a_write(status: JSON) -> JSON:
    """Return a status without what of a Pending pod goes by its address."""
    if status.get("phase") != "Pending":
        return status
    conditions = [each for each in status.get("conditions") or () if each["type"] != "PodReadyToStartContainers"]
    return {**status, **dict.fromkeys(ADDRESSES), "conditions": conditions}


def refusal_of(state: TaskState) -> Refusal | None:
    """Return why a task has ended before any of it began, None if it did begin, or was stopped."""
    if state.passing:
        return Refusal(state.passing, state.message, is_lasting=False)
    has_begun = any(each.exit_code is not None or each.started_at for each in state.containers)
    if state.phase != "stopped" or has_begun or state.reason not in CONTAINER_REASONS:
        return None
    return Refusal(state.reason, state.message, is_lasting=True)


def without_task(pod: JSON, state: TaskState, *, now: datetime) -> JSON | None:
    """Return the pod as one to be launched again; None if its task did begin, or too many have failed to.

    A driver whose task can never begin fails with the first, since whoever submitted it waits for its end.
    """
    refusal, failed = refusal_of(state), (*failed_starts(pod), state.handle)
    if refusal is None or is_terminal(pod) or is_deleting(pod) or not is_newer(pod, state):
        return None
    if is_driver(pod) if refusal.is_lasting else launches(pod) + 1 >= LAUNCHES:
        return None
    kept = {name: text for name, text in annotations_of(pod).items() if name not in OF_TASK}
    dropped = launches(pod) + 1 - LAUNCHES
    known = ",".join(failed[-LAUNCHES:])
    kept[FAILED_STARTS] = f"{dropped}+{known}" if dropped > 0 else known
    old = status_of(pod)
    bare = {**pod, "status": {name: old[name] for name in ("qosClass", "conditions") if name in old}}
    return {
        **pod,
        "metadata": {**pod["metadata"], "annotations": kept},
        "spec": {name: value for name, value in pod["spec"].items() if name != "nodeName" or refusal.is_bound},
        "status": refusal.status(bare, now=now),
    }


def has_seen_end(pod: JSON) -> bool:
    """Return whether a pod tells how its task ended. One that counts as lost may run: a provider shows it late."""
    return bool(handle_of(pod)) and is_terminal(pod) and not is_lost(pod)


def is_lost(pod: JSON) -> bool:
    """Return whether nobody has told how a pod's task ended, whatever the pod itself has failed by."""
    states = [each.get("state") or {} for each in all_statuses(pod)]
    said = (state.get("terminated") or state.get("waiting") or {} for state in states)
    return any(each.get("reason") == LOST for each in (status_of(pod), *said))


def lost_task(pod: JSON, *, now: datetime, is_deleted: bool = False) -> TaskState:
    """Return the last state of a task that its provider no longer knows; that of a deleted pod has ended with it."""
    why = "What ran the pod is gone: it was removed, or ended together with the machine or the server"
    return TaskState(
        uid=pod["metadata"]["uid"],
        handle=handle_of(pod),
        phase="stopped",
        reason=LOST,
        message="" if is_deleted or is_deleting(pod) else why,
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
