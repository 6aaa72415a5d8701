"""A task written down in the engine itself while its image is on its way.

Containers cannot be made of an image that is not there, so a crash of ours would lose the task. A container
that never runs, of our own tiny image, keeps it as a file: nothing of it shows in `docker inspect`.
"""

from __future__ import annotations

import base64
import io
import json
import tarfile
from dataclasses import asdict, fields
from typing import Any

import docker

from chalicelib.providers.base import Container, File, Mount, RegistryLogin, Task, Volume
from chalicelib.providers.docker import archives, labels, pause_image
from chalicelib.providers.docker.engine import CONFLICT, Client

FILE = "/task.json"
CONTAINER = ".record"  # no container of a task can have this name
ONLY_ROOT = 0o600


def create(client: Client, control_plane_id: str, task: Task) -> None:
    """Write the task down; repeatable."""
    name = labels.container_name(control_plane_id, task, CONTAINER)
    marks = labels.of_task(control_plane_id, task)
    marks |= {labels.ROLE: "record", labels.CONTAINER: CONTAINER}
    config = {"Image": pause_image.NAME, "Labels": marks, "HostConfig": {"NetworkMode": "none"}}
    try:
        made = client.create_container_from_config(config, name)["Id"]
    except docker.errors.APIError as error:
        if error.status_code != CONFLICT:  # there already, by a run of ours that died
            raise
        made = name
    client.put_archive(made, "/", archives.archive([archives.Entry(FILE, encode(task).encode(), ONLY_ROOT)]))


def read(client: Client, container_id: str) -> Task | None:
    """Return the task of a record, None if it was never finished."""
    try:
        stream, _ = client.get_archive(container_id, FILE)
    except docker.errors.NotFound:
        return None
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        content = tar.extractfile(tar.getmembers()[0])
        return decode(content.read().decode()) if content else None


def encode(task: Task) -> str:
    """Return the task as JSON."""
    return json.dumps(asdict(task), default=lambda content: base64.b64encode(content).decode())


def decode(text: str) -> Task:
    """Return the task that encode() wrote."""
    raw: dict[str, Any] = json.loads(text)
    for container in raw["containers"]:
        container["mounts"] = [Mount(**item) for item in container["mounts"]]
    for volume in raw["volumes"]:
        volume["files"] = [File(**{**item, "content": base64.b64decode(item["content"])}) for item in volume["files"]]
    parts = {"containers": Container, "volumes": Volume, "logins": RegistryLogin}
    known = {each.name for each in fields(Task)}
    raw = {name: value for name, value in raw.items() if name in known}  # one of an older version had others
    for name, kind in parts.items():
        raw[name] = [kind(**_fields(item)) for item in raw[name]]
    return Task(**_fields(raw))


def _fields(raw: dict[str, Any]) -> dict[str, Any]:
    return {name: _tuples(value) for name, value in raw.items()}


def _tuples(value: Any) -> Any:  # a part of JSON: whatever it is
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
