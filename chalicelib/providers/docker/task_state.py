"""Read a TaskState, and what to do next, from what the engine says of a task's containers. Pure."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.providers.base import ContainerState, TaskPhase, TaskState
from chalicelib.providers.docker import labels
from chalicelib.providers.docker.boxes import Box

KILLED = 128 + signal.SIGKILL
NEVER_RAN = 128  # what the engine and containerd report for a process that could not be started
NO_SUCH_PROGRAM = 127  # the exit code of the engine's init for a program that is not there, and of a shell's
BEING_REMOVED = ("removing", "removed")  # by somebody else: we forget a task before we remove it
REMOVED_MESSAGE = "The container was removed from the Docker engine by somebody else."


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a container is not there yet, or never will be if `is_final`."""

    reason: str = "ContainerCreating"
    message: str = ""
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What to do for a task now: ids of containers to start and to kill."""

    start: tuple[str, ...] = ()
    kill: tuple[str, ...] = ()


def container_state(box: Box) -> ContainerState:
    """Return the state of one container that exists, or has."""
    common = ContainerState(
        name=box.name, phase="waiting", container_id=box.id, image=box.image, restarts=box.restarts
    )
    if box.status in ("running", "paused"):
        return replace(common, phase="running", started_at=box.started_at)
    if box.status == "restarting":
        message = f"back-off restarting failed container, exit code {box.exit_code}"
        return replace(common, phase="waiting", reason="CrashLoopBackOff", message=message)
    if not box.has_ended:
        return replace(common, phase="waiting", reason="ContainerCreating")
    reason, message = ended(box)
    return replace(
        common,
        phase="stopped",
        exit_code=_exit_code(box),
        reason=reason,
        message=message,
        started_at=box.started_at,
        finished_at=box.finished_at,
    )


def ended(box: Box) -> tuple[str, str]:
    """Return reason and message for a container that has ended.

    The engine says OOMKilled also when only a child was killed and the container went on to end in its own
    way: only with exit code 137 was it the end of it.
    """
    if box.status in BEING_REMOVED:
        return "ContainerRemoved", REMOVED_MESSAGE
    if box.has_failed_to_start:
        return "StartError", box.error
    if box.oom_killed and box.exit_code == KILLED:
        return "OOMKilled", ""
    if box.exit_code == 0:
        return "Completed", ""
    if box.exit_code == NO_SUCH_PROGRAM and box.error:
        return "ContainerCannotRun", box.error
    return "Error", box.error


def _exit_code(box: Box) -> int | None:
    if box.status in BEING_REMOVED:
        return box.exit_code or None  # nobody may have seen its end
    return box.exit_code or NEVER_RAN if box.has_failed_to_start else box.exit_code


def next_step(boxes: Iterable[Box]) -> Step:
    """Return which containers to start now, or to kill since the task has ended.

    The order: the holder, then each init container to its end with exit code 0, then all others.
    """
    by_order = sorted(boxes, key=lambda box: box.order)
    holder = [box for box in by_order if box.role == "holder"]
    inits = [box for box in by_order if box.role == "init"]
    mains = [box for box in by_order if box.role == "main"]
    if has_ended(by_order):
        return Step(kill=tuple(box.id for box in by_order if box.is_live))
    if holder and holder[0].status == "created":
        return Step(start=(holder[0].id,))
    for box in inits:
        if not _has_succeeded(box):
            return Step(start=(box.id,) if box.status == "created" else ())
    return Step(start=tuple(box.id for box in mains if box.status == "created" and not box.error))


def _has_succeeded(box: Box) -> bool:
    return box.status == "exited" and box.exit_code == 0


def has_ended(boxes: Sequence[Box]) -> bool:
    """Return whether the task is over: every main container, an init one without success, or the holder."""
    mains = [box for box in boxes if box.role == "main"]
    before = [box for box in boxes if box.role in ("holder", "init")]
    if any(box.has_ended and (box.role == "holder" or not _has_succeeded(box)) for box in before):
        return True
    return bool(mains) and all(box.has_ended for box in mains)


def phase(boxes: Sequence[Box], waits: Sequence[Wait]) -> TaskPhase:
    """Return the phase of a task whose other containers, if any, wait for the given reasons."""
    if any(wait.is_final for wait in waits) or (boxes and has_ended(boxes)):
        return "stopped"
    started = any(box.role == "main" and (box.has_started or box.has_ended) for box in boxes)
    return "running" if started else "pending"


def ordered_states(boxes: Iterable[Box]) -> tuple[ContainerState, ...]:
    """Return the states of the task's own containers, without the holder."""
    shown = sorted((box for box in boxes if box.role in ("init", "main")), key=lambda box: box.order)
    return tuple(container_state(box) for box in shown)


def task_state(boxes: Sequence[Box], *, host_address: str, stop_reason: str = "") -> TaskState:
    """Return the state of a task all of whose containers were made; version 0, for the ledger to count."""
    first = min(boxes, key=lambda box: box.order)
    containers = ordered_states(boxes)
    over = phase(boxes, ()) == "stopped"
    reason, message = _why(boxes) if over else ("", "")
    return TaskState(
        uid=first.uid,
        handle=first.uid,
        phase=phase(boxes, ()),
        containers=containers,
        address=first.address,
        host_address=host_address,
        reason=stop_reason or reason if over else "",
        message=message,
        created_at=first.created_at,
        started_at=_earliest(box.started_at for box in boxes if box.role == "main"),
        stopped_at=_latest(box.finished_at for box in boxes) if over else None,
        labels=labels.task_labels(first.labels),
    )


def _why(boxes: Sequence[Box]) -> tuple[str, str]:
    """Return what ended a task before its time; empty for containers that ended by themselves."""
    for box in boxes:
        if box.status in BEING_REMOVED or box.has_failed_to_start:
            return ended(box)
        if box.role == "holder" and box.has_ended and any(other.is_live for other in boxes):
            return "NetworkLost", "The container that held the task's network ended."
    return "", ""


def _earliest(moments: Iterable[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment), default=None)


def _latest(moments: Iterable[datetime | None]) -> datetime | None:
    return max((moment for moment in moments if moment), default=None)
