"""End what a control plane that is gone has left running: the tasks in its state folder."""

from __future__ import annotations

import os
from pathlib import Path

from chalicelib.providers.process.provider import ProcessProvider


def remove_tasks(folder: Path) -> int:
    """Kill and remove every process task of the instance whose state is in `folder`; return how many.

    Repeatable. For an instance without a server: a living one would start its pods again.
    """
    provider = ProcessProvider(folder / "pods", folder / "no-spark", environ=os.environ)
    tasks = provider.list_tasks()
    for task in tasks:
        provider.remove(task.handle)
    return len(tasks)
