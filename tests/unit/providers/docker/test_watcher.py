"""What the watcher makes of the engine's events."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from unittest.mock import Mock

from chalicelib.providers.base import TaskState
from chalicelib.providers.docker import labels
from chalicelib.providers.docker.containers import Containers
from chalicelib.providers.docker.launcher import Launcher
from chalicelib.providers.docker.network import TaskNetwork
from chalicelib.providers.docker.task_cache import TaskCache
from chalicelib.providers.docker.watcher import Watcher
from tests.unit.providers.docker.builders import NOON, running
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
