"""The one table of pod phases: pure (Pod, TaskState) -> PodStatus, for every provider.

Compare getPhase in kubernetes/pkg/kubelet/kubelet_pods.go, and pkg/kubelet/status/generate.go, v1.36.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from chalicelib.apimachinery.accessors import TERMINAL_PHASES, full_name, is_terminal, spec_of, status_of
from chalicelib.apimachinery.rules.time import after, find_time, format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel import budget
from chalicelib.controllers.podmodel.container_status import Circumstances, container_status, waiting_statuses
from chalicelib.controllers.podmodel.readiness import gated_readiness
from chalicelib.providers.base import ContainerState, TaskState
from chalicelib.resources.pods.totals import is_sidecar

if TYPE_CHECKING:  # else every reader of a status, a command line too, would load all kinds
    from chalicelib.controllers.podmodel.references import Missing

Phase = Literal["Pending", "Running", "Succeeded", "Failed"]
Condition = tuple[str, bool, str, str]  # type, status, reason, message

DEADLINE_REASON = "DeadlineExceeded"
REJECTED = "Pod was rejected: "  # how the message of a pod begins that is not tried again, as a kubelet's
DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"
INTERRUPTED_REASON = "TerminationByKubelet"
INTERRUPTED_MESSAGE = "The provider is about to take the task away"


def deadline(pod: JSON) -> datetime | None:
    """Return when activeDeadlineSeconds end, None without them or before the pod has started."""
    seconds = spec_of(pod).get("activeDeadlineSeconds")
    started = find_time(status_of(pod).get("startTime"))
    return None if seconds is None or started is None else after(started, seconds)


def has_only_sidecars_left(pod: JSON) -> bool:
    """Return whether every main container has ended for good while sidecars still run: they end with it."""
    spec, status = pod["spec"], status_of(pod)
    sidecars = {each["name"] for each in spec.get("initContainers") or () if is_sidecar(each)}
    if not sidecars or is_terminal(pod):
        return False
    policy = spec.get("restartPolicy", "Always")
    states = [each.get("state") or {} for each in status.get("containerStatuses") or ()]
    if policy == "Always" or not states or not all("terminated" in state for state in states):
        return False
    return policy == "Never" or all(state["terminated"]["exitCode"] == 0 for state in states)


def pod_phase(pod: JSON, state: TaskState) -> Phase:
    """Return the phase that a task's state means. No other code decides it:

    pending, running -> Running once a main container has started, before that Pending (ECS reports containers that
    run in a task that is pending yet); stopped -> Succeeded if every main container reported exit code 0 and we did
    not end it (deadline, budget), else Failed.
    """
    known = {container.name: container for container in state.containers}
    mains = [known.get(container["name"]) for container in pod["spec"].get("containers") or ()]
    match state.phase:
        case "pending" | "running":
            return "Running" if any(_has_started(main) for main in mains) else "Pending"
        case "stopped":
            succeeded = bool(mains) and all(main is not None and main.exit_code == 0 for main in mains)
            return "Succeeded" if succeeded and not _why_ended(pod, state) else "Failed"


def next_status(pod: JSON, state: TaskState, *, now: datetime, probes: bool = False) -> JSON:
    """Return the status after a provider's report, of a pod whose probes are run or not. A terminal pod keeps its own.

    What the report leaves out stays; times of conditions move only with their status. Pure: the same
    report twice gives the same status.
    """
    old: JSON = status_of(pod)
    if is_terminal(pod):
        return old
    phase = pod_phase(pod, state)
    spec = pod["spec"]
    inits: list[JSON] = spec.get("initContainers") or []
    mains: list[JSON] = spec.get("containers") or []
    begun = any(_has_started(_find(state, each)) for each in mains)
    initialized = begun or not _incomplete_inits(inits, state)
    around = Circumstances(state, full_name(pod), initializing=not initialized, probes=probes, now=now)
    addresses: JSON = {}
    host = state.host_address or state.address  # a task that runs nowhere else is its own host
    if state.address:
        addresses.update(podIP=state.address, podIPs=[{"ip": state.address}])
    if host:
        addresses.update(hostIP=host, hostIPs=[{"ip": host}])
    status: JSON = {**old, "phase": phase, **addresses}
    status.setdefault("startTime", format_time(state.created_at or now))
    status["containerStatuses"] = _statuses(mains, old.get("containerStatuses"), around, init=False)
    if inits:
        before = old.get("initContainerStatuses")
        status["initContainerStatuses"] = _statuses(inits, before, around, init=True)
    status.pop("reason", None)
    status.pop("message", None)
    status.update(_why_failed(pod, state) if phase == "Failed" else {})
    status["conditions"] = _merge(old, _conditions(pod, state, status, initialized=initialized), now)
    return status


def with_readiness(pod: JSON, status: JSON, *, now: datetime) -> JSON:
    """Return the status of a pod that runs with the conditions that its containers' `ready` come to."""
    found = _not_ready(pod, incomplete=(), unready=_unready(pod, status), has_address=True)
    merged = _merge(status, [each for each in found if each[0] in READINESS], now)
    order = [each.get("type") for each in status.get("conditions") or ()]
    merged.sort(key=lambda each: order.index(each["type"]) if each["type"] in order else len(order))
    return {**status, "conditions": merged}


def waiting_status(pod: JSON, missing: Sequence[Missing], *, now: datetime) -> JSON:
    """Return the status of a pod that waits for what it refers to, as a kubelet's pod does."""
    spec = pod["spec"]
    mains, inits = spec.get("containers") or [], spec.get("initContainers") or []
    first = missing[0]
    if first.event == "FailedScheduling":
        return unscheduled_status(pod, "Unschedulable", first.message, now=now)
    own = {each.container: each for each in reversed(missing) if each.container}
    mounts_missing = any(not each.container for each in missing)

    def why(container: JSON, default: str) -> tuple[str, str]:
        mine = own.get(container["name"])
        if mounts_missing or mine is None:
            return default, ""
        return "CreateContainerConfigError", mine.message

    default = "PodInitializing" if inits else "ContainerCreating"
    status = _pending(pod)
    status.setdefault("startTime", format_time(now))
    reasons = {each["name"]: why(each, default) for each in mains}
    status["containerStatuses"] = waiting_statuses(mains, reasons)
    if inits:
        reasons = {each["name"]: why(each, "PodInitializing") for each in inits}
        status["initContainerStatuses"] = waiting_statuses(inits, reasons)
    status["conditions"] = _merge(status, [*_not_ready(pod, incomplete=inits), _SCHEDULED], now)
    return status


def scheduled_status(pod: JSON, *, now: datetime) -> JSON:
    """Return the status of a pod that has just got its node."""
    status = _pending(pod)
    return {**status, "conditions": _merge(status, [_SCHEDULED], now)}


def unscheduled_status(pod: JSON, reason: str, message: str, *, now: datetime) -> JSON:
    """Return the status of a pod that no provider has taken yet; it will be tried again."""
    status = _pending(pod)
    return {**status, "conditions": _merge(status, [("PodScheduled", False, reason, message)], now)}


def _pending(pod: JSON) -> JSON:
    """Return the status of a pod that waits, without why an earlier start of it was refused."""
    kept = {key: value for key, value in status_of(pod).items() if key not in ("reason", "message")}
    return {**kept, "phase": "Pending"}


def bound_waiting_status(pod: JSON, why: tuple[str, str] | None, *, now: datetime) -> JSON:
    """Return the status of a pod that has its node and whose first containers wait, for (reason, message) if given."""
    spec = pod["spec"]
    mains, inits = spec.get("containers") or [], spec.get("initContainers") or []
    status = _pending(pod)
    status.setdefault("startTime", format_time(now))
    blocked = ("PodInitializing", "")
    first = why or (blocked if inits else ("ContainerCreating", ""))
    status["containerStatuses"] = waiting_statuses(mains, {each["name"]: blocked if inits else first for each in mains})
    if inits:
        reasons = {each["name"]: blocked if index else first for index, each in enumerate(inits)}
        status["initContainerStatuses"] = waiting_statuses(inits, reasons)
    status["conditions"] = _merge(status, [*_not_ready(pod, incomplete=inits), _SCHEDULED], now)
    return status


def ended_status(pod: JSON, reason: str, message: str, *, now: datetime) -> JSON:
    """Return the status of a pod that is ended before it had a task: its deadline passed, its budget is spent."""
    status: JSON = {**status_of(pod), "phase": "Failed", "reason": reason, "message": message}
    status.setdefault("startTime", format_time(now))
    found: list[Condition] = [("Ready", False, "PodFailed", ""), ("ContainersReady", False, "PodFailed", "")]
    status["conditions"] = _merge(status, found, now)
    return status


READINESS = ("Ready", "ContainersReady")
_SCHEDULED: Condition = ("PodScheduled", True, "", "")


def _has_started(container: ContainerState | None) -> bool:
    return container is not None and (container.phase in ("running", "stopped") or container.restarts > 0)


def _why_ended(pod: JSON, state: TaskState) -> JSON:
    """Return reason and message of a pod that was ended from here, {} for one that ended by itself."""
    end = deadline(pod)
    if end is not None and state.stopped_at is not None and state.stopped_at >= end:
        return {"reason": DEADLINE_REASON, "message": DEADLINE_MESSAGE}
    if budget.was_ended(pod, state):
        return {"reason": budget.BUDGET_REASON, "message": budget.exceeded(pod)}
    return {}


def _find(state: TaskState, container: JSON) -> ContainerState | None:
    return next((known for known in state.containers if known.name == container["name"]), None)


def _incomplete_inits(inits: Sequence[JSON], state: TaskState) -> list[JSON]:
    """Return the init containers that hold up the rest: not ended well, or for sidecars not started."""

    def is_done(container: JSON) -> bool:
        known = _find(state, container)
        if is_sidecar(container):
            return _has_started(known)
        return known is not None and known.exit_code == 0

    return [container for container in inits if not is_done(container)]


def _statuses(containers: list[JSON], old: list[JSON] | None, around: Circumstances, *, init: bool) -> list[JSON]:
    before = {status["name"]: status for status in old or ()}
    return [
        container_status(each, _find(around.task, each), before.get(each["name"], {}), around, init=init)
        for each in containers
    ]


def _why_failed(pod: JSON, state: TaskState) -> JSON:
    """Return reason and message of a failed pod; containers with exit codes that ended by themselves speak for it."""
    if why := _why_ended(pod, state):
        return why
    mains = [_find(state, container) for container in pod["spec"].get("containers") or ()]
    all_known = all(main is not None and main.exit_code is not None for main in mains)
    if all_known and not (state.interrupted or state.stopped_by_another):
        return {}
    return {key: text for key, text in (("reason", state.reason), ("message", state.message)) if text}


def _conditions(pod: JSON, state: TaskState, status: JSON, *, initialized: bool) -> list[Condition]:
    phase = status["phase"]
    found: list[Condition]
    if phase in TERMINAL_PHASES:
        reason = "PodCompleted" if phase == "Succeeded" else "PodFailed"
        initial = "PodCompleted" if phase == "Succeeded" else ""
        found = [
            ("PodReadyToStartContainers", False, "", ""),
            ("Initialized", initialized, initial if initialized else reason, ""),
            ("Ready", False, reason, ""),
            ("ContainersReady", False, reason, ""),
            _SCHEDULED,
        ]
    else:
        incomplete = [] if initialized else _incomplete_inits(pod["spec"].get("initContainers") or [], state)
        unready = _unready(pod, status)
        found = _not_ready(pod, incomplete=incomplete, unready=unready, has_address=bool(state.address))
        found.append(_SCHEDULED)
    if state.interrupted:
        found.append(("DisruptionTarget", True, INTERRUPTED_REASON, state.message or INTERRUPTED_MESSAGE))
    return found


def _unready(pod: JSON, status: JSON) -> list[str]:
    """Return the names of the containers, sidecars first, that a pod's readiness waits for."""
    sidecars = {each["name"] for each in pod["spec"].get("initContainers") or () if is_sidecar(each)}
    ahead = [each for each in status.get("initContainerStatuses") or () if each["name"] in sidecars]
    return [each["name"] for each in (*ahead, *(status.get("containerStatuses") or ())) if not each["ready"]]


def _not_ready(
    pod: JSON, *, incomplete: Sequence[JSON], unready: list[str] | None = None, has_address: bool = False
) -> list[Condition]:
    """Return the conditions of a pod under way; `unready` None means all its containers."""
    names = [each["name"] for each in pod["spec"].get("containers") or ()] if unready is None else unready
    waiting = " ".join(each["name"] for each in incomplete)
    init_why = why = ("", "")
    if waiting:
        init_why = ("ContainersNotInitialized", f"containers with incomplete status: [{waiting}]")
    if names:
        why = ("ContainersNotReady", f"containers with unready status: [{' '.join(names)}]")
    return [
        ("PodReadyToStartContainers", has_address, "", ""),
        ("Initialized", not incomplete, *init_why),
        ("Ready", False, *why) if names else gated_readiness(pod),
        ("ContainersReady", not names, *why),
    ]


def _merge(old: JSON, conditions: list[Condition], now: datetime) -> list[JSON]:
    """Return the conditions with the times of those whose status stays, after them those of others."""
    before = {condition.get("type"): condition for condition in old.get("conditions") or ()}
    merged = []
    for kind, holds, reason, message in conditions:
        status = "True" if holds else "False"
        same = before.get(kind, {}).get("status") == status
        condition: JSON = {"type": kind, "status": status, "lastProbeTime": None}
        condition["lastTransitionTime"] = before[kind].get("lastTransitionTime") if same else format_time(now)
        condition.update({key: text for key, text in (("reason", reason), ("message", message)) if text})
        merged.append(condition)
    ours = {condition[0] for condition in conditions}
    return merged + [condition for kind, condition in before.items() if kind not in ours]
