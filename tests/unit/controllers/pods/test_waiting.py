"""When pods are tried again, and which of them a write wakes."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.controllers.pods.waiting import LONGEST_SECONDS, Backoff, WaitingPods
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

    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_SECONDS, LONGEST_SECONDS, LONGEST_SECONDS]


def test_success_starts_pauses_anew() -> None:
    backoff = Backoff()
    backoff.postpone("a", NOW)
    backoff.postpone("a", NOW)
    backoff.forget("a")

    assert backoff.is_due("a", NOW)
    backoff.postpone("a", NOW)

    assert backoff.due(NOW) == []
    assert backoff.due(NOW + timedelta(seconds=1)) == ["a"]


CONF, KEYS = ("configmaps", "ns", "conf"), ("secrets", "ns", "keys")


def test_write_wakes_those_that_want_it() -> None:
    waiting = WaitingPods()
    waiting.add("1", "/a", [CONF, KEYS])
    waiting.add("2", "/b", [CONF])

    assert sorted(waiting.wanting(CONF)) == ["/a", "/b"]
    assert waiting.wanting(KEYS) == ["/a"]
    assert waiting.wanting(("secrets", "ns", "conf")) == []


def test_pod_waits_for_what_it_said_last() -> None:
    waiting = WaitingPods()
    waiting.add("1", "/a", [CONF])

    waiting.add("1", "/a", [KEYS])

    assert waiting.wanting(CONF) == []
    assert waiting.wanting(KEYS) == ["/a"]


def test_pod_that_waits_no_more_is_not_woken() -> None:
    waiting = WaitingPods()
    waiting.add("1", "/a", [CONF])

    waiting.discard("1")
    waiting.discard("1")

    assert waiting.wanting(CONF) == []
    assert waiting.storage_keys() == []
