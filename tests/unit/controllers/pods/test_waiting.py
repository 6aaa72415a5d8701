"""Which pods a write wakes."""

from __future__ import annotations

from chalicelib.controllers.pods.waiting import WaitingPods

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
