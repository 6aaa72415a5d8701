"""Pure: a Task to the arguments of sbatch, by its sizes, its hints and the settings."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from chalicelib.providers.base import Task
from chalicelib.providers.slurm.declaration import SlurmSettings

DOMAIN = "slurm.sparkanywhere.io/"  # of node selectors and annotations; what follows is sbatch's own word
OPTIONS = ("partition", "account", "qos", "constraint", "gres", "reservation", "nodelist", "exclude", "time")
_ARCHITECTURE = "kubernetes.io/arch"
LEAST_MEMORY_MIB = 512  # of a task that asks for none: else Slurm gives it all of a node
SPARE_SECONDS = 60  # for a task's end behind its deadline: --time is for when nobody ends it


def job_name(task: Task, handle: str) -> str:
    """Return the job's name: what people look for, and the handle, which we do."""
    return f"{task.name}.{handle}".replace("|", "-")


def sbatch_arguments(task: Task, settings: SlurmSettings, *, name: str, folder: Path) -> list[str]:
    """Return the arguments for a task whose folder that is."""
    words = [
        f"--job-name={name}",
        f"--chdir={folder}",
        f"--output={folder / 'job.out'}",
        "--export=NIL",
        "--no-requeue",
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={max(1, math.ceil(task.cpu_milli / 1000))}",
        f"--mem={task.memory_mib or LEAST_MEMORY_MIB}M",
    ]
    chosen = _defaults(task, settings)
    chosen.update((key, value) for key, value in _hints(task) if key in OPTIONS)
    return words + [f"--{key}={value}" for key, value in chosen.items() if value]


def _defaults(task: Task, settings: SlurmSettings) -> dict[str, str]:
    """Return what is asked for where the task's own hints say nothing."""
    gpus = sum(container.gpus for container in task.containers)
    seconds = settings.slurm_minutes * 60
    if task.deadline_seconds is not None:
        seconds = task.deadline_seconds + task.stop_grace_seconds + SPARE_SECONDS
    return {
        "partition": settings.slurm_partition,
        "account": settings.slurm_account,
        "qos": settings.slurm_qos,
        "constraint": settings.slurm_constraint,
        "gres": f"gpu:{gpus}" if gpus else "",
        "time": str(math.ceil(seconds / 60)) if seconds else "",
    }


def _hints(task: Task) -> Iterator[tuple[str, str]]:
    yield from ((key.removeprefix(DOMAIN), value) for key, value in task.placement if key.startswith(DOMAIN))


def unknown_hints(task: Task) -> list[str]:
    """Return the keys that are meant for Slurm and that it does not get."""
    return [DOMAIN + key for key, _ in _hints(task) if key not in OPTIONS]


def script(command: Sequence[str], folder: Path) -> str:
    """Return the job's script: Slurm signals its process, so that has to become ours."""
    return f"#!/bin/sh\nexec {shlex.join([*command, str(folder)])}\n"
