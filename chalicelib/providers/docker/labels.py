"""The labels by which containers, volumes and the network of a control plane are known again.

They are the truth: after a crash everything a provider must know of a running task stands in them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Literal

from chalicelib.providers.base import Container, Task

# anchor and sandbox are pause containers: the first keeps the bridge of all tasks up, the second the network of a task
# with several main containers; record and loader never run: one keeps a task whose image is on its way, the other fills
# volumes; anchor and services belong to no task
Role = Literal["sandbox", "init", "main", "record", "loader", "services", "anchor"]

PREFIX = "sparkanywhere.io/"
CONTROL_PLANE = PREFIX + "control-plane"
UID = PREFIX + "task-uid"
GROUP = PREFIX + "task-group"
NAME = PREFIX + "task-name"
CONTAINER = PREFIX + "container"
ROLE = PREFIX + "role"
ORDER = PREFIX + "order"
COUNT = PREFIX + "containers"
ADDRESS = PREFIX + "address"
IMAGE = PREFIX + "image"
STOP_COMMAND = PREFIX + "stop-command"
LAST_COPY = PREFIX + "last-copy"
TASK_LABELS = PREFIX + "task-labels"
VOLUME = PREFIX + "volume"

NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_.-]+")


def of_control_plane(control_plane_id: str) -> dict[str, str]:
    """Return the label that everything of one control plane carries."""
    return {CONTROL_PLANE: control_plane_id}


def of_task(control_plane_id: str, task: Task) -> dict[str, str]:
    """Return the labels of all that belongs to a task, its own labels under their own names too."""
    own = dict(task.labels)
    return own | {
        CONTROL_PLANE: control_plane_id,
        UID: task.uid,
        GROUP: task.group,
        NAME: task.name,
        TASK_LABELS: json.dumps(own),
    }


def of_container(container: Container, *, role: Role, order: int, count: int, address: str) -> dict[str, str]:
    """Return what is said of one container beyond its task: `count` is the number the task has in all."""
    labels = {
        CONTAINER: container.name,
        ROLE: role,
        ORDER: str(order),
        COUNT: str(count),
        ADDRESS: address,
        IMAGE: container.image,
    }
    if container.stop_command:
        labels[STOP_COMMAND] = json.dumps(container.stop_command)
    return labels


def task_labels(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the labels that the task itself came with."""
    own: dict[str, str] = json.loads(labels.get(TASK_LABELS) or "{}")
    return tuple(sorted(own.items()))


def stop_command(labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return the command to run in a container before it is asked to stop, empty for none."""
    return tuple(json.loads(labels.get(STOP_COMMAND) or "[]"))


def container_name(control_plane_id: str, task: Task, container: str) -> str:
    """Return a name that people recognise and that the engine gives once: it makes creation idempotent.

    Docker takes letters, digits, `_`, `.` and `-`; everything else becomes `-`.
    """
    identity = f"{control_plane_id}/{task.uid}/{container}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    readable = NOT_IN_NAMES.sub("-", f"{task.group}_{task.name}_{container}").strip("-_.")
    return f"{readable[:120]}_{digest}" if readable else f"task_{digest}"


def volume_name(control_plane_id: str, *, owner: str, volume: str) -> str:
    """Return the engine's name of a volume: `owner` is a task's uid, or `named`."""
    digest = hashlib.sha256(f"{control_plane_id}/{owner}/{volume}".encode()).hexdigest()[:12]
    readable = NOT_IN_NAMES.sub("-", volume).strip("-_.")[:80]
    return f"sparkanywhere_{readable}_{digest}"
