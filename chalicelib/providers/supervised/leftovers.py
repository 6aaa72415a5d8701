"""What tasks leave, and what a crash has left of their folders."""

from __future__ import annotations

import contextlib
from pathlib import Path

from chalicelib.providers.base import Provider
from chalicelib.providers.supervised.directory import TaskDirectory, remove_tree


def remove_all(provider: Provider) -> int:
    """Kill and remove every task; return how many. Repeatable. Raises ProviderUnavailable."""
    tasks = provider.list_tasks()
    for task in tasks:
        provider.remove(task.handle)
    return len(tasks)


def sweep(tasks: Path) -> None:
    """Remove what removals and preparations that crashed half-way have left, and nobody is about to take up."""
    for rest in tasks.glob(".*.removed.*"):
        remove_tree(rest)
    for path in tasks.iterdir():
        directory = TaskDirectory(tasks, path.name)
        if not path.name.startswith(".") and directory.record() is None:
            with contextlib.suppress(FileNotFoundError), directory.locked():
                if directory.record() is None:
                    directory.remove(0)
