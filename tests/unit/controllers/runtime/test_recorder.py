"""Events: counted, bounded, expiring, and never in anybody's way."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.runtime.recorder import EVENTS_PER_OBJECT, News
from chalicelib.storage.base import Change, StorageUnavailable
from tests.unit.controllers.builders import pod
from tests.unit.controllers.world import World


def stored_events(w: World) -> list[JSON]:
    return [item.object() for item in w.storage.list("/registry/events/").items]


def test_event_tells_what_kubectl_describe_shows(w: World) -> None:
    w.controllers.recorder.record(pod(), [News("Warning", "FailedMount", "no such thing")])

    (event,) = stored_events(w)
    assert event["involvedObject"] == {
        "kind": "Pod",
        "apiVersion": "v1",
        "namespace": "ns",
        "name": "a",
        "uid": pod()["metadata"]["uid"],
    }
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "FailedMount", "no such thing")
    assert event["count"] == 1
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-01-02T03:04:05Z"
    assert event["metadata"]["namespace"] == "ns"
    assert event["metadata"]["name"].startswith("a.")


def test_same_event_again_counts_up(w: World) -> None:
    w.controllers.recorder.record(pod(), [News("Warning", "FailedMount", "no such thing")])
    w.pass_time(60)
    w.controllers.recorder.record(pod(), [News("Warning", "FailedMount", "no such thing")])
    w.controllers.recorder.record(pod(), [News("Warning", "FailedMount", "something else")])

    counts = {event["message"]: event["count"] for event in stored_events(w)}
    assert counts == {"no such thing": 2, "something else": 1}
    again = next(event for event in stored_events(w) if event["count"] == 2)
    assert again["firstTimestamp"] == "2026-01-02T03:04:05Z"
    assert again["lastTimestamp"] == "2026-01-02T03:05:05Z"


def test_object_with_a_long_name_has_events_too(w: World) -> None:
    w.controllers.recorder.record(pod("x" * 253), [News("Normal", "Scheduled", "")])

    assert len(stored_events(w)[0]["metadata"]["name"]) == 253


def test_object_that_never_says_the_same_twice_is_cut_off(w: World) -> None:
    for number in range(EVENTS_PER_OBJECT + 5):
        w.controllers.recorder.record(pod(), [News("Normal", "Chatter", f"{number}")])
    w.controllers.recorder.record(pod(), [News("Normal", "Chatter", "0")])

    events = stored_events(w)
    assert len(events) == EVENTS_PER_OBJECT
    assert max(event["count"] for event in events) == 2


def test_long_message_is_cut_to_what_the_api_takes(w: World) -> None:
    w.controllers.recorder.record(pod(), [News("Normal", "Long", "x" * 5000)])

    assert len(stored_events(w)[0]["message"]) == 1024


def test_old_events_expire_and_new_ones_stay(w: World) -> None:
    w.controllers.recorder.record(pod(), [News("Normal", "Old", "")])
    w.pass_time(3601)
    w.controllers.recorder.record(pod(), [News("Normal", "New", "")])

    w.controllers.recorder.expire()

    assert [event["reason"] for event in stored_events(w)] == ["New"]


def test_store_that_fails_fails_nobody(w: World) -> None:
    def refuse(changes: Sequence[Change]) -> object:
        raise StorageUnavailable(f"no room for {len(changes)} objects")

    w.storage.transact = refuse  # type: ignore[method-assign,assignment]  # a store whose disk is full

    w.controllers.recorder.record(pod(), [News("Normal", "Lost", "")])

    assert stored_events(w) == []
