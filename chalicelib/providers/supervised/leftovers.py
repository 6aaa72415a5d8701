"""What a crash has left of the folders of tasks."""

from __future__ import annotations

import contextlib
from pathlib import Path

from chalicelib.providers.supervised.directory import TaskDirectory, remove_tree


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
