"""The newest events, kept in memory: what is found there, and what is not known."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.storage.base import WatchEvent
from chalicelib.storage.tail import TAIL_BYTES, TAIL_EVENTS, Poller, Tail

PODS = "/registry/pods/"


def event(revision: int, *, resource: str = "pods", text: str = "{}") -> WatchEvent:
    return WatchEvent("ADDED", f"/registry/{resource}/{revision}", revision, text, None)


def events(first: int, last: int) -> list[WatchEvent]:
    return [event(revision) for revision in range(first, last + 1)]


def test_events_are_found_after_a_revision() -> None:
    tail = Tail(10)
    tail.extend(events(11, 15), after=10)

    assert tail.find(PODS, 12, limit=10) == (events(13, 15), 15)
    assert tail.find(PODS, 10, limit=2) == (events(11, 12), 12)
    assert tail.find("/registry/nodes/", 12, limit=10) == ([], 15)
    assert tail.find(PODS, 15, limit=10) == ([], 15)


def test_what_came_before_the_tail_is_not_known() -> None:
    tail = Tail(10)
    tail.extend(events(11, 15), after=10)

    assert tail.find(PODS, 9, limit=10) is None


def test_events_told_twice_are_kept_once() -> None:
    tail = Tail(10)
    tail.extend(events(11, 13), after=10)
    tail.extend(events(12, 15), after=11)

    assert tail.find(PODS, 10, limit=10) == (events(11, 15), 15)


def test_a_gap_starts_a_new_tail() -> None:
    tail = Tail(10)
    tail.extend(events(11, 13), after=10)
    tail.extend(events(15, 16), after=14)

    assert tail.find(PODS, 12, limit=10) is None
    assert tail.find(PODS, 14, limit=10) == (events(15, 16), 16)


def test_forgotten_events_are_not_known() -> None:
    tail = Tail(10)
    tail.extend(events(11, 15), after=10)

    tail.forget(12)

    assert tail.find(PODS, 11, limit=10) is None
    assert tail.find(PODS, 12, limit=10) == (events(13, 15), 15)


def test_the_tail_stays_small() -> None:
    tail = Tail(0)
    tail.extend(events(1, TAIL_EVENTS + 5), after=0)

    assert tail.find(PODS, 4, limit=1) is None
    assert tail.find(PODS, 5, limit=1) == (events(6, 6), 6)


def test_the_tail_stays_small_with_large_events() -> None:
    tail = Tail(0)
    large = [event(revision, text="x" * (TAIL_BYTES // 3)) for revision in range(1, 5)]
    tail.extend(large, after=0)

    assert tail.find(PODS, 0, limit=1) is None
    assert tail.find(PODS, 1, limit=1) == (large[1:2], 2)


@pytest.mark.parametrize("prefix", [None, PODS])
def test_a_waiter_is_woken_by_an_event_that_concerns_it(prefix: str | None) -> None:
    tail = Tail(10)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(tail.wait, 10, 60, prefix)
        tail.extend(events(11, 11), after=10)

        assert waiting.result(timeout=20) == 11


def test_a_waiter_sleeps_through_events_elsewhere() -> None:
    tail = Tail(10)
    tail.extend([event(11, resource="nodes")], after=10)

    assert tail.wait(10, 0.01, PODS) == 11  # only its time was up: the next line shows that it may sleep
    assert tail.wait(10, 60, "/registry/nodes/") == 11


def test_a_gap_wakes_everybody() -> None:
    tail = Tail(10)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(tail.wait, 10, 60, PODS)
        tail.extend([], after=14)

        assert waiting.result(timeout=20) == 14


def test_a_waiter_behind_the_tail_returns_at_once() -> None:
    tail = Tail(10)
    tail.extend([event(16, resource="nodes")], after=15)

    assert tail.wait(12, 60, PODS) == 16


def test_those_who_wait_one_after_the_other_look_once() -> None:
    looks: list[int] = []
    poller = Poller(Tail(10), lambda: looks.append(len(looks)), pause_seconds=60)

    for _ in range(3):
        assert poller.wait(10, 0, PODS) == 10
    poller.close()

    assert looks == [0]


def test_one_who_gave_up_is_no_waiter_any_more() -> None:
    tail = Tail(10)

    tail.wait(10, 0.01, PODS)

    assert not tail.has_waiters
