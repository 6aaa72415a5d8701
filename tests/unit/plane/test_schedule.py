"""The schedule's run, where no thread lives between requests: all that is due, and an error for what failed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.plane.control_plane import ChoresFailed
from chalicelib.plane.host import LAMBDA
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World


def test_a_chore_that_fails_stops_no_other_and_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    w = World(MemoryStorage(), host=replace(LAMBDA, keeps_files=False))
    w.create_pod(metadata={"annotations": {"sparkanywhere.io/ttl": "1"}})
    w.provider.finish(w.handle(), 0)
    w.pass_time(61)
    list_tasks = w.provider.list_tasks

    def fail(known: object) -> list[object]:
        del known
        raise RuntimeError("bad day")

    monkeypatch.setattr(w.provider, "list_tasks", fail)
    with pytest.raises(ChoresFailed, match=r"^orphans$"):
        w.plane.run_chores()
    assert w.get("pods", "a") is None, "it ended, and has expired"

    monkeypatch.setattr(w.provider, "list_tasks", list_tasks)
    w.plane.run_chores()  # nothing failed
