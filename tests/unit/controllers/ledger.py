"""What the tasks of a world have run for, and what all accounts that a user can see say of that."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.record import is_lost
from chalicelib.providers.base import TaskState
from sparkanywhere.jobs.applications import Application, group
from tests.unit.controllers.world import World


def applications(w: World) -> dict[str, Application]:
    """Return the applications of the stored pods and records, by the name of the first pod."""
    pods, records = (stored(w, resource) for resource in ("pods", "podrecords"))
    return {str(each.pods[0]["metadata"]["name"]): each for each in group(pods, records)}


def stored(w: World, resource: str) -> list[JSON]:
    """Return the stored objects of a resource."""
    return [item.object() for item in w.storage.list(f"/registry/{resource}/").items]


def told_seconds(w: World) -> float:
    """Return the vCPU-seconds that `ps` and `cost` tell of, over all applications."""
    return sum(each.usage(w.clock.now).vcpu_seconds for each in applications(w).values())


def lived_seconds(w: World) -> float:
    """Return the vCPU-seconds of all tasks, each of one vCPU, from the start of their pulls."""
    return sum(map(partial(_seconds, w.clock.now), (*w.provider.list_tasks(), *w.provider.forgotten)))


def _seconds(now: datetime, task: TaskState) -> float:
    end = task.stopped_at if task.phase == "stopped" else None
    return ((end or now) - dict(task.times)["pull_started"]).total_seconds()


def assert_told_once(w: World) -> None:
    """Hold that each second of all tasks is told of once; a lost task counts until that is found out."""
    told, lived = round(told_seconds(w)), round(lived_seconds(w))
    pods = [*stored(w, "pods"), *(each["pod"] for each in stored(w, "podrecords"))]
    if any(map(is_lost, pods)):
        assert told >= lived
    else:
        assert told == lived
