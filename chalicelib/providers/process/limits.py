"""Pure: what a task asks for that processes on the host don't get, in words."""

from __future__ import annotations

import os

from chalicelib.providers.base import Container, Task
from chalicelib.providers.process.images import is_spark_image

ENFORCES_MEMORY = os.path.exists("/proc/self/smaps_rollup")  # what supervisor/memory.py reads


def warnings(task: Task) -> list[str]:
    """Return one sentence for each wish of the task that is not honoured."""
    found = [sentence for container in task.containers for sentence in _container_warnings(container, task)]
    for volume in task.volumes:
        if volume.kind == "memory":
            found.append(f'volume "{volume.name}": lies on the disk, not in memory, in process mode')
        if volume.kind in ("scratch", "memory") and volume.size_mib is not None:
            found.append(f'volume "{volume.name}": its size limit is not enforced in process mode')
    if task.host_entries or task.aliases:
        found.append("host names of the task's own (aliases, host entries) do not resolve in process mode")
    return found


def _container_warnings(container: Container, task: Task) -> list[str]:
    # files are a task's own copies: writing to them harms nobody
    shared = {volume.name for volume in task.volumes if volume.kind != "files"}
    host_image = f'image "{container.image}" is not used: its command runs on the host'
    unmet = [
        (not is_spark_image(container.image), host_image),
        (
            container.memory_mib is not None and not ENFORCES_MEMORY,
            "its memory limit is not enforced in process mode on this system",
        ),
        (container.cpu_milli is not None, "its CPU limit is not enforced in process mode"),
        (container.gpus > 0, "GPUs are not assigned in process mode: it sees what the host has"),
        (bool(container.user), "it runs as the user that runs the control plane in process mode"),
        (container.privileged, "privileged has no effect in process mode"),
        (bool(container.add_capabilities), "added capabilities have no effect in process mode"),
        (bool(container.drop_capabilities), "dropped capabilities have no effect in process mode"),
        (container.read_only_root, "its root file system, the host's, is not read-only in process mode"),
        (container.tty, "there is no terminal in process mode"),
        (container.stdin, "standard input is empty in process mode"),
        (
            any(mount.read_only and mount.volume in shared for mount in container.mounts),
            "read-only mounts are not enforced in process mode",
        ),
    ]
    return [f'container "{container.name}": {sentence}' for applies, sentence in unmet if applies]
