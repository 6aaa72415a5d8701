"""Boxes and tasks for the Docker provider's unit tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from chalicelib.providers.base import Container, Task
from chalicelib.providers.docker.container_spec import HostContext
from chalicelib.providers.docker.mounts import MountContext
from chalicelib.providers.docker.snapshots import ContainerSnapshot

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def snapshot(name: str = "main", **fields: Any) -> ContainerSnapshot:  # Any: ContainerSnapshot's own fields
    """Return a container that was created and not started, unless told otherwise."""
    plain = ContainerSnapshot(id=f"id-{name}", uid="u1", name=name, role="main", order=1, count=1, status="created")
    return replace(plain, **fields)


def running(name: str = "main", **fields: Any) -> ContainerSnapshot:
    """Return a container that runs."""
    return snapshot(name, status="running", started_at=NOON, **fields)


def exited(name: str = "main", code: int = 0, **fields: Any) -> ContainerSnapshot:
    """Return a container that ran and ended."""
    return snapshot(name, status="exited", started_at=NOON, finished_at=NOON, exit_code=code, **fields)


def task(*containers: Container, **fields: Any) -> Task:
    """Return a task of these containers."""
    known = containers or (Container("main", "busybox"),)
    return replace(Task(uid="u1", group="default", name="pi", containers=known), **fields)


def host(**fields: Any) -> HostContext:
    """Return surroundings as on a machine with two CPUs."""
    known = HostContext(
        context=MountContext(control_plane_id="cp"), network="net", gateway="10.0.0.1", control_plane="10.0.0.1", cpus=2
    )
    return replace(known, **fields)
