"""The log of events on DynamoDB: what is complete, what is missing, and what the past looked like."""

from __future__ import annotations

from chalicelib.storage.base import EventType, StoredObject, WatchEvent
from chalicelib.storage.dynamodb.events import chain, rewind
from chalicelib.storage.dynamodb.item import NEVER, LoggedEvent, Mark


def text(revision: int) -> str:
    return f'{{"metadata":{{"resourceVersion":"{revision}"}}}}'


def mark(revision: int) -> Mark:
    return Mark(revision, at=float(revision))


def event(
    revision: int, follows: int, *, key: str = "k", kind: EventType = "MODIFIED", previous: int | None = None
) -> LoggedEvent:
    before = None if previous is None else text(previous)
    return LoggedEvent(WatchEvent(kind, key, revision, text(revision), before), mark(follows))


def stored(key: str, revision: int) -> StoredObject:
    return StoredObject(key, revision, text(revision))


def test_events_that_follow_each_other_are_complete() -> None:
    events = [event(5, 3), event(8, 5), event(9, 8)]

    assert chain(events, after=4, newest=mark(9)) == (events, None)


def test_the_first_event_may_follow_one_that_was_seen() -> None:
    assert chain([event(5, 4)], after=4, newest=mark(5)) == ([event(5, 4)], None)


def test_a_missing_event_ends_the_chain() -> None:
    events = [event(5, 3), event(9, 8)]

    assert chain(events, after=4, newest=mark(9)) == (events[:1], mark(8))


def test_a_missing_first_event_leaves_nothing() -> None:
    assert chain([event(9, 8)], after=4, newest=mark(9)) == ([], mark(8))


def test_a_missing_last_event_is_named_by_the_store() -> None:
    events = [event(5, 3)]

    assert chain(events, after=4, newest=mark(9)) == (events, mark(9))


def test_a_batch_that_was_cut_misses_nothing_beyond_it() -> None:
    events = [event(5, 3)]

    assert chain(events, after=4, newest=None) == (events, None)


def test_a_resource_without_events_misses_none() -> None:
    assert chain([], after=4, newest=NEVER) == ([], None)


def test_an_event_newer_than_the_store_said_belongs_to_the_chain() -> None:
    events = [event(5, 3), event(10, 5)]

    assert chain(events, after=4, newest=mark(5)) == (events, None)


def test_later_events_are_undone_to_the_first_state_before_them() -> None:
    events = [event(6, 5, previous=3), event(7, 6, previous=6)]

    assert rewind([stored("k", 7)], events, 5) == {"k": stored("k", 3)}


def test_a_later_creation_is_undone_to_nothing() -> None:
    events = [event(6, 5, kind="ADDED"), event(7, 6, previous=6)]

    assert rewind([stored("k", 7), stored("other", 2)], events, 5) == {"other": stored("other", 2)}


def test_a_later_deletion_is_undone() -> None:
    assert rewind([], [event(6, 5, kind="DELETED", previous=3)], 5) == {"k": stored("k", 3)}


def test_an_earlier_event_is_put_into_an_object_that_lacks_it() -> None:
    events = [event(4, 3, previous=2), event(5, 4, previous=4)]

    assert rewind([stored("k", 2)], events, 5) == {"k": stored("k", 5)}


def test_an_earlier_deletion_removes_an_object_still_seen() -> None:
    assert rewind([stored("k", 2)], [event(5, 4, kind="DELETED", previous=2)], 5) == {}


def test_events_of_one_key_leave_others_alone() -> None:
    objects = [stored("a", 2), stored("b", 6)]

    rewound = rewind(objects, [event(6, 5, key="b", previous=4)], 5)

    assert rewound == {"a": stored("a", 2), "b": stored("b", 4)}
