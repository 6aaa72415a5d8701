"""Work that is put off: done once, in time, and harmless when it fails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from chalicelib.apimachinery.rules.status import unavailable
from chalicelib.controllers.runtime.background import Background, Chore, ResyncLoop, guarded
from chalicelib.storage.base import StorageUnavailable
from tests.inline import inline

PATIENCE_SECONDS = 10.0  # how long a test waits for what should come at once


@pytest.fixture
def background() -> Iterator[Background]:
    made = Background(threads=2)
    yield made
    made.close()


def test_work_is_done(background: Background) -> None:
    done: list[int] = []

    for number in range(50):
        background(lambda number=number: done.append(number))  # type: ignore[misc]  # binds the number

    assert background.settle(PATIENCE_SECONDS)
    assert sorted(done) == list(range(50))


def test_work_is_done_in_parallel(background: Background) -> None:
    meeting = threading.Barrier(2, timeout=PATIENCE_SECONDS)

    def meet() -> None:
        meeting.wait()

    background(meet)
    background(meet)

    assert background.settle(PATIENCE_SECONDS)
    assert not meeting.broken


def test_delayed_work_lets_later_work_pass(background: Background) -> None:
    done: list[str] = []
    background(lambda: done.append("delayed"), delay_seconds=0.2)
    background(lambda: done.append("at once"))

    assert background.settle(PATIENCE_SECONDS)
    assert done == ["at once", "delayed"]


def test_failing_work_ends_no_thread(background: Background, caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            background(lambda: done[7])  # type: ignore[arg-type]  # raises
        background(lambda: done.append(1))
        assert background.settle(PATIENCE_SECONDS)

    assert done == [1]
    assert "left to resync" in caplog.text


def test_settle_says_when_it_gave_up(background: Background) -> None:
    gate = threading.Event()

    def wait() -> None:
        gate.wait(PATIENCE_SECONDS)

    background(wait)

    assert not background.settle(0.05)
    gate.set()
    assert background.settle(PATIENCE_SECONDS)


def test_nothing_is_done_after_close() -> None:
    done: list[int] = []
    background = Background()
    background.close()

    background(lambda: done.append(1))
    background.close()

    assert background.settle(PATIENCE_SECONDS)
    assert done == []


def test_inline_work_is_done_at_once_and_its_errors_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []

    inline(lambda: done.append(1), delay_seconds=60)
    with caplog.at_level(logging.ERROR):
        inline(lambda: done[7])  # type: ignore[arg-type]  # raises

    assert done == [1]
    assert "left to resync" in caplog.text


def fail() -> None:
    raise RuntimeError("bad day")


@pytest.mark.parametrize("error", [StorageUnavailable("disk full"), unavailable("disk full")])
def test_a_store_that_takes_nothing_is_one_line_each_time(caplog: pytest.LogCaptureFixture, error: Exception) -> None:
    def work() -> None:
        raise error

    guarded(work)

    assert [(each.levelname, each.exc_info) for each in caplog.records] == [("WARNING", None)]
    assert "left to resync: disk full" in caplog.text


def test_chores_come_in_their_turn(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []
    loop = ResyncLoop(
        [
            Chore("bad", 1.0, fail),
            Chore("often", 1.0, lambda: done.append("often")),
            Chore("seldom", 10.0, lambda: done.append("seldom")),
        ]
    )
    due_at: dict[str, float] = {}

    with caplog.at_level(logging.ERROR):
        for second in range(11):
            loop.run_due(due_at, float(second))

    assert done.count("often") == 11
    assert done.count("seldom") == 2  # at the start, too: a server may never live for a whole period
    assert "chore failed name=bad" in caplog.text


def test_loop_runs_until_closed() -> None:
    ran = threading.Event()
    loop = ResyncLoop([Chore("once", 3600.0, ran.set)], tick_seconds=0.01)

    loop.start()

    assert ran.wait(PATIENCE_SECONDS)
    loop.close()
    loop.close()
