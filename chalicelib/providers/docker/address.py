"""Put a task's own address where the task stands for it. Pure."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.providers.base import ADDRESS, Container, File, Task, Volume


def with_address(task: Task, address: str) -> Task:
    """Return the task with ADDRESS replaced in env values, commands, args and file contents."""
    return replace(
        task,
        containers=tuple(_container(container, address) for container in task.containers),
        volumes=tuple(_volume(volume, address) for volume in task.volumes),
    )


def _container(container: Container, address: str) -> Container:
    return replace(
        container,
        env=tuple((name, value.replace(ADDRESS, address)) for name, value in container.env),
        command=_words(container.command, address),
        args=_words(container.args, address),
        stop_command=_words(container.stop_command, address),
    )


def _words(words: tuple[str, ...] | None, address: str) -> tuple[str, ...] | None:
    return None if words is None else tuple(word.replace(ADDRESS, address) for word in words)


def _volume(volume: Volume, address: str) -> Volume:
    marker, value = ADDRESS.encode(), address.encode()
    files = tuple(
        File(path=file.path, content=file.content.replace(marker, value), mode=file.mode)
        for file in volume.files
    )
    return replace(volume, files=files)
