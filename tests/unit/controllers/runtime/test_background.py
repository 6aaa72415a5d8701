"""Work that is put off: done once, in time, and harmless when it fails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from chalicelib.apimachinery.rules.status import unavailable
from chalicelib.controllers.runtime.background import Background, Chore, ResyncLoop, guarded
from chalicelib.providers.base import ProviderUnavailable
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


@pytest.mark.parametrize(
    "error", [StorageUnavailable("disk full"), unavailable("disk full"), ProviderUnavailable("Throttled", "disk full")]
)
def test_a_store_that_takes_nothing_is_one_line_each_time(caplog: pytest.LogCaptureFixture, error: Exception) -> None:
    def work() -> None:
        raise error

    guarded(work)

    assert [(each.levelname, each.exc_info) for each in caplog.records] == [("WARNING", None)]
    assert "left to resync: disk full" in caplog.text


def test_chores_come_in_their_turn(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []
    now = [0.0]
    loop = ResyncLoop(
        [
            Chore("bad", 1.0, fail),
            Chore("often", 1.0, lambda: done.append("often")),
            Chore("seldom", 10.0, lambda: done.append("seldom")),
        ],
        monotonic=lambda: now[0],
    )

    with caplog.at_level(logging.ERROR):
        for second in range(11):
            now[0] = float(second)
            assert loop.run_due() == ["bad"]

    assert done.count("often") == 11
    assert done.count("seldom") == 2  # at the start, too: a server may never live for a whole period
    assert "chore failed name=bad" in caplog.text


class Hours:
    """A clock by hand, and chores that take their time of it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.done: list[str] = []

    def chore(self, name: str, seconds: float, *, steps: int = 0, urgent: bool = False, every: float = 60.0) -> Chore:
        def take() -> None:
            self.now += seconds
            self.done.append(name)

        def in_steps() -> Iterator[None]:
            for _ in range(steps):
                take()
                yield

        return Chore(name, every, in_steps if steps else take, urgent=urgent)

    def loop(self, *chores: Chore, first: int = 0) -> ResyncLoop:
        return ResyncLoop(chores, monotonic=lambda: self.now, first_of=lambda count: first % count)

    def run(self, loop: ResyncLoop, at: float) -> list[str]:
        """Run the loop for 20 seconds, as it is called each minute; return what it has done."""
        self.now, self.done = at, []
        loop.run_due(seconds=20.0, early_seconds=15.0)
        return self.done


def test_what_is_urgent_comes_first_and_the_rest_while_there_is_time() -> None:
    hours = Hours()
    loop = hours.loop(hours.chore("a", 20), hours.chore("b", 20), hours.chore("c", 1), hours.chore("u", 1, urgent=True))

    assert hours.run(loop, at=0) == ["u", "a"]
    assert hours.run(loop, at=60) == ["u", "b"], "what was left comes first"
    assert hours.run(loop, at=120) == ["u", "c", "a"]


def test_urgent_chores_leave_half_of_the_time_to_others() -> None:
    hours = Hours()
    loop = hours.loop(hours.chore("u", 3, steps=9, urgent=True), hours.chore("v", 1, urgent=True), hours.chore("a", 1))

    assert hours.run(loop, at=0) == ["u"] * 4 + ["v", "a"]


def test_a_chore_that_takes_many_runs_keeps_no_other_from_its_turn() -> None:
    hours = Hours()
    loop = hours.loop(hours.chore("long", 5, steps=99), *(hours.chore(name, 1) for name in "ab"))

    assert hours.run(loop, at=0) == ["long"] * 4
    assert hours.run(loop, at=60)[:3] == ["a", "b", "long"]


def test_each_chore_has_its_turn_though_every_run_is_the_first_of_a_process() -> None:
    hours = Hours()
    chores = [hours.chore(name, 20) for name in "abc"]

    done = [hours.run(hours.loop(*chores, first=minute), at=60 * minute) for minute in range(3)]

    assert done == [["a"], ["b"], ["c"]]


def test_a_run_that_comes_a_little_early_is_the_next_all_the_same() -> None:
    hours = Hours()
    loop = hours.loop(hours.chore("a", 1), hours.chore("seldom", 1, every=300.0))

    done = [hours.run(loop, at=at) for at in (0.0, 59.2, 119.9, 180.3, 239.5, 299.9)]

    assert done == [["a", "seldom"], ["a"], ["a"], ["a"], ["a"], ["a", "seldom"]]


def test_loop_runs_until_closed() -> None:
    ran = threading.Event()
    loop = ResyncLoop([Chore("once", 3600.0, ran.set)], tick_seconds=0.01)

    loop.start()

    assert ran.wait(PATIENCE_SECONDS)
    loop.close()
    loop.close()


def test_a_loop_that_is_closed_says_nothing_of_what_it_leaves(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []
    first = Chore("first", 1.0, lambda: loop.close(), urgent=True)
    loop = ResyncLoop([first, Chore("second", 1.0, lambda: done.append("second"))])

    with caplog.at_level(logging.INFO):
        loop.run_due()

    assert done == []
    assert caplog.text == ""
