"""Puts a task's own address where ADDRESS stands for it. Pure; for providers that know the address before the start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from chalicelib.providers.base import ADDRESS, Task


def with_address(task: Task, address: str) -> Task:
    """Return the task with ADDRESS replaced in env values, commands, args and file contents."""
    mark, told = ADDRESS.encode(), address.encode()
    volumes = [
        replace(each, files=tuple(replace(file, content=file.content.replace(mark, told)) for file in each.files))
        for each in task.volumes
    ]
    return replace(with_words(task, lambda text: text.replace(ADDRESS, address)), volumes=tuple(volumes))


def with_words(task: Task, change: Callable[[str], str]) -> Task:
    """Return the task with each env value and each word of a command changed."""

    def words(given: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if given is None else tuple(change(word) for word in given)

    containers = [
        replace(
            each,
            env=tuple((name, change(text)) for name, text in each.env),
            command=words(each.command),
            args=words(each.args),
            stop_command=words(each.stop_command),
        )
        for each in task.containers
    ]
    return replace(task, containers=tuple(containers))
