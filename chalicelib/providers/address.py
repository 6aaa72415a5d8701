"""Puts a task's own address where ADDRESS stands for it. Pure; for providers that know the address before the start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from chalicelib.providers.base import ADDRESS, Task


def with_address(task: Task, address: str) -> Task:
    """Return the task with ADDRESS replaced in env values, commands, args and file contents."""
    return with_texts(task, ADDRESS, lambda text: text.replace(ADDRESS, address))


def with_texts(task: Task, mark: str, change: Callable[[str], str]) -> Task:
    """Return the task with each env value, word of a command and file that contains `mark` changed."""

    def words(given: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if given is None else tuple(change(word) if mark in word else word for word in given)

    def content(given: bytes) -> bytes:
        if mark.encode() not in given:
            return given
        return change(given.decode(errors="surrogateescape")).encode(errors="surrogateescape")

    containers = [
        replace(
            each,
            env=tuple((name, change(text) if mark in text else text) for name, text in each.env),
            command=words(each.command),
            args=words(each.args),
            stop_command=words(each.stop_command),
        )
        for each in task.containers
    ]
    volumes = [
        replace(each, files=tuple(replace(file, content=content(file.content)) for file in each.files))
        for each in task.volumes
    ]
    return replace(task, containers=tuple(containers), volumes=tuple(volumes))
