"""A task without what is one application's own in its mounts, so that applications of one shape share a definition.

Spark mounts its scratch space at /var/data/spark-UUID, another UUID in each application, and tells its processes by
their environment. In a task's definition and in its payload that path has a number in the UUID's place.
"""

from __future__ import annotations

import re
from dataclasses import replace

from chalicelib.providers.base import Container, File, Task

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


def with_fixed_paths(task: Task) -> Task:
    """Return the task with its paths of mounts free of UUIDs, there and wherever else its texts have such a path."""
    paths = [mount.path for container in task.containers for mount in container.mounts]
    numbers = {each: str(number) for number, each in enumerate(dict.fromkeys(UUID.findall("\n".join(paths))), 1)}
    fixed = {path: UUID.sub(lambda found: numbers[found[0]], path) for path in paths if UUID.search(path)}
    if not fixed:
        return task
    old = re.compile("|".join(map(re.escape, sorted(fixed, key=len, reverse=True))))

    def text(value: str) -> str:
        return old.sub(lambda found: fixed[found[0]], value)

    def words(value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return value if value is None else tuple(map(text, value))

    def container(each: Container) -> Container:
        return replace(
            each,
            command=words(each.command),
            args=words(each.args),
            env=tuple((name, text(value)) for name, value in each.env),
            mounts=tuple(replace(mount, path=text(mount.path)) for mount in each.mounts),
            working_dir=text(each.working_dir),
            stop_command=words(each.stop_command),
        )

    def file(each: File) -> File:
        try:
            return replace(each, content=text(each.content.decode()).encode())
        except UnicodeDecodeError:
            return each  # no text

    volumes = tuple(replace(each, files=tuple(map(file, each.files))) for each in task.volumes)
    return replace(task, containers=tuple(map(container, task.containers)), volumes=volumes)
