"""Puts a task's own address where ADDRESS stands for it. Pure; for providers that know the address before the start."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.providers.base import ADDRESS, Task


def with_address(task: Task, address: str) -> Task:
    """Return the task with ADDRESS replaced in env values, commands, args and file contents."""

    def words(given: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if given is None else tuple(word.replace(ADDRESS, address) for word in given)

    marker, value = ADDRESS.encode(), address.encode()
    containers = [
        replace(
            each,
            env=tuple((name, text.replace(ADDRESS, address)) for name, text in each.env),
            command=words(each.command),
            args=words(each.args),
            stop_command=words(each.stop_command),
        )
        for each in task.containers
    ]
    volumes = [
        replace(each, files=tuple(replace(file, content=file.content.replace(marker, value)) for file in each.files))
        for each in task.volumes
    ]
    return replace(task, containers=tuple(containers), volumes=tuple(volumes))
