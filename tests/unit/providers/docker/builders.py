"""Boxes and tasks for the Docker provider's unit tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from chalicelib.providers.base import Container, Task
from chalicelib.providers.docker.boxes import Box
from chalicelib.providers.docker.container_spec import Surroundings
from chalicelib.providers.docker.mounts import Ground

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def box(name: str = "main", **fields: Any) -> Box:  # Any: Box's own fields
    """Return a container that was created and not started, unless told otherwise."""
    plain = Box(id=f"id-{name}", uid="u1", name=name, role="main", order=1, count=1, status="created")
    return replace(plain, **fields)


def running(name: str = "main", **fields: Any) -> Box:
    """Return a container that runs."""
    return box(name, status="running", started_at=NOON, **fields)


def exited(name: str = "main", code: int = 0, **fields: Any) -> Box:
    """Return a container that ran and ended."""
    return box(name, status="exited", started_at=NOON, finished_at=NOON, exit_code=code, **fields)


def task(*containers: Container, **fields: Any) -> Task:
    """Return a task of these containers."""
    known = containers or (Container("main", "busybox"),)
    return replace(Task(uid="u1", group="default", name="pi", containers=known), **fields)


def around(**fields: Any) -> Surroundings:
    """Return surroundings as on a machine with two CPUs."""
    known = Surroundings(
        ground=Ground(control_plane_id="cp"),
        network="net",
        gateway="10.0.0.1",
        control_plane="10.0.0.1",
        cpus=2,
    )
    return replace(known, **fields)
