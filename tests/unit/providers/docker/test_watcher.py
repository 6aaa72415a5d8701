"""What the watcher makes of the engine's events."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import docker.errors

from chalicelib.providers.base import TaskState
from chalicelib.providers.docker import labels
from chalicelib.providers.docker.containers import Containers
from chalicelib.providers.docker.launcher import Launcher
from chalicelib.providers.docker.network import TaskNetwork
from chalicelib.providers.docker.snapshots import ContainerSnapshot
from chalicelib.providers.docker.task_cache import TaskCache
from chalicelib.providers.docker.watcher import Watcher
from tests.unit.providers.docker.builders import NOON, running, snapshot
from tests.waiting import until

FIRST = running(restarts_itself=True)
AGAIN = replace(FIRST, started_at=NOON + timedelta(seconds=9), previous_end=NOON + timedelta(seconds=8), restarts=1)


def test_the_end_of_a_run_is_told_also_where_the_engine_has_begun_the_next() -> None:
    cache = TaskCache(clock=lambda: NOON)
    cache.update([FIRST])
    reports: list[TaskState] = []
    cache.report_to(reports.append)
    containers = Mock(spec=Containers, inspect=Mock(return_value=AGAIN))
    watcher = Watcher(containers, cache, Mock(spec=Launcher), Mock(spec=TaskNetwork, gateway=""))

    watcher.on_event("die", FIRST.id, {labels.UID: FIRST.uid, "exitCode": "137"})

    until(lambda: len(reports) == 3, "the states before, between and after")
    states = [state.containers[0] for state in reports]
    assert [state.phase for state in states] == ["running", "waiting", "running"]
    assert states[1].last is not None
    assert (states[1].last.exit_code, states[1].last.finished_at) == (137, AGAIN.previous_end)
    cache.close()


def summary(container: ContainerSnapshot) -> dict[str, Any]:
    return {"Id": container.id, "State": container.status, "Labels": {labels.UID: container.uid, labels.ROLE: "main"}}


def test_what_is_made_while_the_engine_lists_is_there_and_not_gone() -> None:
    cache = TaskCache(clock=lambda: NOON)

    def listed() -> list[dict[str, Any]]:
        cache.made([running()])  # a launch on another thread, too late for the list
        return []

    containers = Mock(spec=Containers, summaries=listed)
    watcher = Watcher(containers, cache, Mock(spec=Launcher), Mock(spec=TaskNetwork, gateway=""))

    watcher.resync()

    assert [state.phase for state in cache.states()] == ["running"]
    cache.close()


def test_what_a_launch_puts_in_the_place_of_what_was_listed_is_the_task() -> None:
    """A run of ours has died in the middle of a launch; the next one makes its containers anew."""
    cache = TaskCache(clock=lambda: NOON)
    half_made, whole = snapshot(id="half-made"), running(id="whole")
    there = {half_made.id: half_made}

    def listed() -> list[dict[str, Any]]:
        found = [summary(each) for each in there.values()]
        there.clear()
        cache.made([whole])
        return found

    def inspect(container_id: str) -> ContainerSnapshot:
        if container_id not in there:
            raise docker.errors.NotFound("gone")
        return there[container_id]

    containers = Mock(spec=Containers, summaries=listed, inspect=inspect)
    launcher = Mock(spec=Launcher, lock=Mock(return_value=threading.RLock()))
    watcher = Watcher(containers, cache, launcher, Mock(spec=TaskNetwork, gateway=""))

    watcher.resync()
    watcher.on_event("destroy", half_made.id, {labels.UID: half_made.uid})

    assert [each.id for each in cache.snapshots("u1")] == ["whole"]
    assert [state.phase for state in cache.states()] == ["running"]
    cache.close()


def test_a_launch_that_is_not_over_when_its_containers_are_listed_is_waited_for() -> None:
    cache = TaskCache(clock=lambda: NOON)
    half_made, whole = snapshot(id="half-made"), running(id="whole")

    class Launching:
        def __enter__(self) -> None:
            cache.made([whole])

        def __exit__(self, *_: object) -> None: ...

    containers = Mock(spec=Containers, summaries=lambda: [summary(half_made)], inspect=lambda _: half_made)
    launcher = Mock(spec=Launcher, lock=lambda _: Launching())
    watcher = Watcher(containers, cache, launcher, Mock(spec=TaskNetwork, gateway=""))

    watcher.resync()

    assert [each.id for each in cache.snapshots("u1")] == ["whole"]
    containers.remove.assert_not_called()
    cache.close()
