"""Read a TaskState, and what to do next, from what the engine says of a task's containers. Pure."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from chalicelib.providers.base import ContainerState, TaskPhase, TaskState
from chalicelib.providers.docker import labels
from chalicelib.providers.docker.snapshots import ContainerSnapshot

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


def container_state(snapshot: ContainerSnapshot) -> ContainerState:
    """Return the state of one container that exists, or has."""
    common = ContainerState(
        name=snapshot.name, phase="waiting", container_id=snapshot.id, image=snapshot.image, restarts=snapshot.restarts
    )
    if snapshot.status in ("running", "paused"):
        return replace(common, phase="running", started_at=snapshot.started_at)
    if snapshot.restart_asked:
        return replace(common, reason="ContainerCreating", last=_end(common, snapshot))
    if snapshot.status == "restarting":
        why = f"back-off restarting failed container={snapshot.name}"
        return replace(common, reason="CrashLoopBackOff", message=why, last=_end(common, snapshot))
    if snapshot.status == "called off":
        return replace(common, reason=snapshot.error)
    if not snapshot.has_ended:
        return replace(common, reason="ContainerCreating")
    return _end(common, snapshot)


def _end(common: ContainerState, snapshot: ContainerSnapshot) -> ContainerState:
    """Return how a container's run has ended."""
    reason, message = ended(snapshot)
    exit_code: int | None = snapshot.exit_code
    if snapshot.status in BEING_REMOVED:
        exit_code = exit_code or None  # nobody may have seen its end
    elif snapshot.has_failed_to_start:
        exit_code = exit_code or NEVER_RAN
    return replace(
        common,
        phase="stopped",
        exit_code=exit_code,
        reason=reason,
        message=message,
        started_at=snapshot.started_at,
        finished_at=snapshot.finished_at,
    )


def ended(snapshot: ContainerSnapshot) -> tuple[str, str]:
    """Return reason and message for a container that has ended.

    The engine says OOMKilled also when only a child was killed and the container went on to end in its own
    way: only with exit code 137 was it the end of it.
    """
    if snapshot.status in BEING_REMOVED:
        return "ContainerRemoved", REMOVED_MESSAGE
    if snapshot.has_failed_to_start:
        return "StartError", snapshot.error
    if snapshot.oom_killed and snapshot.exit_code == KILLED:
        return "OOMKilled", ""
    if snapshot.exit_code == 0:
        return "Completed", ""
    if snapshot.exit_code == NO_SUCH_PROGRAM and snapshot.error:
        return "ContainerCannotRun", snapshot.error
    return "Error", snapshot.error


def next_step(snapshots: Iterable[ContainerSnapshot]) -> Step:
    """Return which containers to start now, or to kill since the task has ended.

    The order: the sandbox, then each init container to its end with exit code 0, then all others.
    """
    by_order = sorted(snapshots, key=lambda each: each.order)
    sandbox = [each for each in by_order if each.role == "sandbox"]
    inits = [each for each in by_order if each.role == "init"]
    mains = [each for each in by_order if each.role == "main"]
    if has_ended(by_order):
        return Step(kill=tuple(each.id for each in by_order if each.is_live))
    if sandbox and sandbox[0].status == "created":
        return Step(start=(sandbox[0].id,))
    for snapshot in inits:
        if not _has_succeeded(snapshot):
            return Step(start=(snapshot.id,) if snapshot.status == "created" else ())
    return Step(start=tuple(each.id for each in mains if each.status == "created" and not each.error))


def _has_succeeded(snapshot: ContainerSnapshot) -> bool:
    return snapshot.status == "exited" and snapshot.exit_code == 0


def lacks_containers(snapshots: Sequence[ContainerSnapshot]) -> bool:
    """Return whether there are containers of the task that can never run."""
    called_off = any(each.status == "called off" for each in snapshots)
    return called_off or any(len(snapshots) < each.count for each in snapshots)


def has_ended(snapshots: Sequence[ContainerSnapshot]) -> bool:
    """Return whether the task is over: every main container, an init one without success, or the sandbox.

    A task that lacks containers (called off, or removed while nobody looked) is over when the others are.
    """
    if lacks_containers(snapshots):
        return not any(each.is_live for each in snapshots if each.role != "sandbox")
    mains = [each for each in snapshots if each.role == "main"]
    before = [each for each in snapshots if each.role in ("sandbox", "init")]
    if any(each.has_ended and (each.role == "sandbox" or not _has_succeeded(each)) for each in before):
        return True
    return bool(mains) and all(each.has_ended for each in mains)


def phase(snapshots: Sequence[ContainerSnapshot], waits: Sequence[Wait]) -> TaskPhase:
    """Return the phase of a task whose other containers, if any, wait for the given reasons."""
    if any(wait.is_final for wait in waits) or (snapshots and has_ended(snapshots)):
        return "stopped"
    mains = [each for each in snapshots if each.role == "main" and each.status != "called off"]
    started = any(each.has_started or each.has_ended for each in mains)
    return "running" if started else "pending"


def ordered_states(snapshots: Iterable[ContainerSnapshot]) -> tuple[ContainerState, ...]:
    """Return the states of the task's own containers, without the sandbox."""
    shown = sorted((each for each in snapshots if each.role in ("init", "main")), key=lambda each: each.order)
    return tuple(container_state(each) for each in shown)


def task_state(snapshots: Sequence[ContainerSnapshot], *, host_address: str, stop_reason: str = "") -> TaskState:
    """Return the state of a task all of whose containers were made; version 0, for the cache to count."""
    first = min(snapshots, key=lambda each: each.order)
    containers = ordered_states(snapshots)
    over = phase(snapshots, ()) == "stopped"
    started = [each.started_at for each in snapshots if each.role == "main" and each.started_at]
    finished = [each.finished_at for each in snapshots if each.finished_at]
    reason, message = _why(snapshots) if over else ("", "")
    return TaskState(
        uid=first.uid,
        handle=first.uid,
        phase=phase(snapshots, ()),
        containers=containers,
        address=first.address,
        host_address=host_address,
        reason=stop_reason or reason if over else "",
        message=message,
        created_at=first.created_at,
        started_at=min(started, default=None),
        stopped_at=max(finished, default=None) if over else None,
        labels=labels.task_labels(first.labels),
    )


def _why(snapshots: Sequence[ContainerSnapshot]) -> tuple[str, str]:
    """Return what ended a task before its time; empty for containers that ended by themselves."""
    for snapshot in snapshots:
        if snapshot.status in BEING_REMOVED or snapshot.has_failed_to_start:
            return ended(snapshot)
        if snapshot.role == "sandbox" and snapshot.has_ended and any(other.is_live for other in snapshots):
            return "NetworkLost", "The container that held the task's network ended."
    return ("ContainerRemoved", REMOVED_MESSAGE) if lacks_containers(snapshots) else ("", "")
