"""End what a control plane that is gone has left running: its processes, its containers."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

from chalicelib.config import Settings
from chalicelib.providers.process.provider import ProcessProvider
from sparkanywhere.local.docker_engine import engine


def remove_tasks(folder: Path) -> int:
    """Kill and remove every process task of the instance whose state is in `folder`; return how many.

    Repeatable. For an instance without a server: a living one would start its pods again.
    """
    provider = ProcessProvider(folder / "pods", folder / "no-spark", environ=os.environ)
    tasks = provider.list_tasks()
    for task in tasks:
        provider.remove(task.handle)
    return len(tasks)


def remove_containers(folder: Path, settings: Settings) -> int:
    """Remove every container, network and volume of the instance whose state is in `folder`; return how many.

    Repeatable. An instance that never used an engine has none. Raises ProviderUnavailable where it did and the
    engine does not answer.
    """
    marker = folder / "control-plane-id"
    if not marker.exists():
        return 0
    from chalicelib.providers.docker import down  # loads the Docker SDK: only for those who used it

    with closing(engine(settings)) as client:
        removed = down(client, marker.read_text().strip())
    return removed.containers + removed.networks + removed.volumes
