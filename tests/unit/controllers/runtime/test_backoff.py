"""When what has failed is tried again."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.controllers.runtime.backoff import PASSING, RATE, Backoff
from tests.unit.controllers.builders import NOW


def test_pause_doubles_up_to_a_minute() -> None:
    backoff = Backoff()
    now, pauses = NOW, []

    for _ in range(9):
        backoff.postpone("a", now)
        start = now
        while not backoff.is_due("a", now):
            now += timedelta(seconds=1)
        pauses.append((now - start).total_seconds())

    assert pauses == [1, 2, 4, 8, 16, 32, PASSING.longest_seconds, PASSING.longest_seconds, PASSING.longest_seconds]


def test_success_starts_pauses_anew() -> None:
    backoff = Backoff()
    backoff.postpone("a", NOW)
    backoff.postpone("a", NOW)
    backoff.forget("a")

    assert backoff.is_due("a", NOW)
    backoff.postpone("a", NOW)

    assert backoff.due(NOW) == []
    assert backoff.due(NOW + timedelta(seconds=1)) == ["a"]


def test_how_long_is_left_is_told_of_those_alone_that_are_postponed_by_these_pauses() -> None:
    backoff = Backoff()
    backoff.postpone("throttled", NOW, RATE)
    backoff.postpone("other", NOW)

    assert backoff.seconds_left("throttled", NOW, RATE) == RATE.first_seconds
    assert backoff.seconds_left("throttled", NOW + timedelta(seconds=9), RATE) == 0.0
    assert backoff.seconds_left("other", NOW, RATE) == 0.0
    assert backoff.seconds_left("unknown", NOW, RATE) == 0.0

    backoff.postpone("throttled", NOW)  # by now it fails otherwise
    assert backoff.seconds_left("throttled", NOW, RATE) == 0.0


def test_a_clock_that_is_put_back_keeps_nobody_waiting() -> None:
    backoff = Backoff()
    backoff.postpone("a", NOW, RATE)
    before = NOW - timedelta(hours=1)

    assert backoff.is_due("a", before)
    assert backoff.due(before) == ["a"]
    assert backoff.seconds_left("a", before, RATE) == RATE.first_seconds
