"""The row of a pod in a Table, as `kubectl get pods` shows it.

Compare printPod in kubernetes/pkg/printers/internalversion/printers.go, v1.36.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.apimachinery.accessors import TERMINAL_PHASES, metadata_of, phase_of, spec_of, status_of
from chalicelib.apimachinery.field_docs import field_doc
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, Column

NONE = "<none>"

_MESSAGES = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}

COLUMNS = (
    NAME_COLUMN,
    Column("Ready", description="The aggregate readiness state of this pod for accepting traffic."),
    Column("Status", description="The aggregate status of the containers in this pod."),
    Column(
        "Restarts",
        description="The number of times the containers in this pod have been restarted"
        " and when the last container in this pod has restarted.",
    ),
    AGE_COLUMN,
    Column("IP", description=field_doc("PodStatus.podIP"), priority=1),
    Column("Node", description=field_doc("PodSpec.nodeName"), priority=1),
    Column("Nominated Node", description=field_doc("PodStatus.nominatedNodeName"), priority=1),
    Column("Readiness Gates", description=field_doc("PodSpec.readinessGates"), priority=1),
)


@dataclass(slots=True)
class _Summary:
    """What the statuses of containers add up to."""

    reason: str
    ready: int = 0
    restarts: int = 0
    last_restart: str = ""  # RFC 3339; such texts sort by time

    def count_restarts(self, status: JSON) -> None:
        """Add the restarts of one container."""
        self.restarts += status.get("restartCount") or 0
        ended = (status.get("lastState") or {}).get("terminated") or {}
        self.last_restart = max(self.last_restart, ended.get("finishedAt") or "")


def cells(pod: JSON, now: datetime) -> Sequence[object]:
    """Return the nine cells of a pod's row."""
    spec, status, metadata = spec_of(pod), status_of(pod), metadata_of(pod)
    summary = _summarise(spec, status)
    if metadata.get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            summary.reason = "Unknown"
        elif status.get("phase") not in TERMINAL_PHASES:
            summary.reason = "Terminating"
    total = len(spec.get("containers") or ()) + sum(map(_is_sidecar, spec.get("initContainers") or ()))
    ips = status.get("podIPs") or [{}]
    restarts = str(summary.restarts)
    if summary.restarts and summary.last_restart:
        restarts += f" ({meta.age(summary.last_restart, now)} ago)"
    gates = [each.get("conditionType", "") for each in spec.get("readinessGates") or ()]
    true_gates = sum(_has_condition(status, gate) for gate in gates)
    return [
        metadata.get("name", ""),
        f"{summary.ready}/{total}",
        summary.reason,
        restarts,
        meta.age(metadata.get("creationTimestamp"), now),
        ips[0].get("ip") or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        f"{true_gates}/{len(gates)}" if gates else NONE,
    ]


def times_shown(pod: JSON) -> Sequence[str]:
    """Return the times whose age the cells tell."""
    return metadata_of(pod).get("creationTimestamp") or "", _summarise(spec_of(pod), status_of(pod)).last_restart


def row_conditions(pod: JSON) -> list[JSON]:
    """Return the conditions of a finished pod's row, by which kubectl may hide it."""
    phase = phase_of(pod)
    if phase not in TERMINAL_PHASES:
        return []
    return [{"type": "Completed", "status": "True", "reason": phase, "message": _MESSAGES[phase]}]


def _is_sidecar(container: JSON) -> bool:
    return container.get("restartPolicy") == "Always"


def _has_condition(status: JSON, kind: str) -> bool:
    conditions = status.get("conditions") or ()
    return any(each.get("type") == kind and each.get("status") == "True" for each in conditions)


def _summarise(spec: JSON, status: JSON) -> _Summary:
    summary = _Summary(status.get("reason") or status.get("phase") or "")
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            summary.reason = "SchedulingGated"
    sidecars = _Summary("")
    initializing = _summarise_init(spec, status, summary=summary, sidecars=sidecars)
    if initializing and not _has_condition(status, "Initialized"):
        return summary
    summary.restarts, summary.last_restart = sidecars.restarts, sidecars.last_restart
    _summarise_main(status, summary)
    return summary


def _summarise_init(spec: JSON, status: JSON, *, summary: _Summary, sidecars: _Summary) -> bool:
    """Go through the init containers; return whether one of them holds the pod up."""
    containers = {each.get("name"): each for each in spec.get("initContainers") or ()}
    for index, each in enumerate(status.get("initContainerStatuses") or ()):
        is_sidecar = _is_sidecar(containers.get(each.get("name")) or {})
        summary.count_restarts(each)
        if is_sidecar:
            sidecars.count_restarts(each)
        state = each.get("state") or {}
        ended, waiting = state.get("terminated"), (state.get("waiting") or {}).get("reason")
        if ended is not None and not ended.get("exitCode"):
            continue
        if is_sidecar and each.get("started"):
            summary.ready += bool(each.get("ready"))
            continue
        if ended is not None:
            summary.reason = "Init:" + _ended_reason(ended)
        elif waiting and waiting != "PodInitializing":
            summary.reason = "Init:" + waiting
        else:
            summary.reason = f"Init:{index}/{len(containers)}"
        return True
    return False


def _ended_reason(ended: JSON) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _summarise_main(status: JSON, summary: _Summary) -> None:
    """Let the containers tell: the first one that waits or has ended gives the reason."""
    has_running = False
    for each in reversed(status.get("containerStatuses") or ()):
        summary.count_restarts(each)
        state = each.get("state") or {}
        waiting, ended = (state.get("waiting") or {}).get("reason"), state.get("terminated")
        if waiting:
            summary.reason = waiting
        elif ended is not None:
            summary.reason = _ended_reason(ended)
        elif each.get("ready") and state.get("running") is not None:
            has_running = True
            summary.ready += 1
    if summary.reason == "Completed" and has_running:
        summary.reason = "Running" if _has_condition(status, "Ready") else "NotReady"
