"""The log of events on DynamoDB: what is complete, what is missing, and what the past looked like."""

from __future__ import annotations

from chalicelib.storage.base import EventType, StoredObject, WatchEvent
from chalicelib.storage.dynamodb.events import linked, rewind
from chalicelib.storage.dynamodb.item import Entry, Mark


def text(revision: int) -> str:
    return f'{{"metadata":{{"resourceVersion":"{revision}"}}}}'


def mark(revision: int) -> Mark:
    return Mark(revision, at=float(revision))


def event(revision: int, *, key: str = "k", kind: EventType = "MODIFIED", previous: int | None = None) -> WatchEvent:
    before = None if previous is None else text(previous)
    return WatchEvent(kind, key, revision, text(revision), before)


def entry(first: int, last: int | None = None) -> Entry:
    return Entry(first, float(first), [event(each) for each in range(first, (last or first) + 1)])


def stored(key: str, revision: int) -> StoredObject:
    return StoredObject(key, revision, text(revision))


def test_entries_that_follow_each_other_are_complete() -> None:
    found, missing = linked([entry(5), entry(6, 8), entry(9)], after=4, until=mark(9))

    assert ([each.revision for each in found], missing) == ([5, 6, 7, 8, 9], None)


def test_the_first_entry_may_begin_before() -> None:
    assert linked([entry(3, 5)], after=4, until=mark(5)) == ([event(5)], None)


def test_a_gap_ends_what_is_known_and_its_last_event_is_named() -> None:
    found, missing = linked([entry(5), entry(9)], after=4, until=mark(9))

    assert (found, missing) == ([event(5)], Mark(8, at=9.0))


def test_a_missing_first_entry_leaves_nothing() -> None:
    assert linked([entry(9)], after=4, until=mark(9)) == ([], Mark(8, at=9.0))


def test_a_missing_last_event_is_named_by_the_store() -> None:
    assert linked([entry(5)], after=4, until=mark(9)) == ([event(5)], mark(9))


def test_a_batch_that_was_cut_misses_nothing_beyond_it() -> None:
    assert linked([entry(5)], after=4, until=None) == ([event(5)], None)


def test_an_entry_newer_than_the_store_said_belongs_to_the_rest() -> None:
    assert linked([entry(5), entry(6)], after=4, until=mark(5)) == ([event(5), event(6)], None)


def test_later_events_are_undone_to_the_first_state_before_them() -> None:
    events = [event(6, previous=3), event(7, previous=6)]

    assert rewind([stored("k", 7)], events, 5) == {"k": stored("k", 3)}


def test_a_later_creation_is_undone_to_nothing() -> None:
    events = [event(6, kind="ADDED"), event(7, previous=6)]

    assert rewind([stored("k", 7), stored("other", 2)], events, 5) == {"other": stored("other", 2)}


def test_a_later_deletion_is_undone() -> None:
    assert rewind([], [event(6, kind="DELETED", previous=3)], 5) == {"k": stored("k", 3)}


def test_an_earlier_event_is_put_into_an_object_that_lacks_it() -> None:
    events = [event(4, previous=2), event(5, previous=4)]

    assert rewind([stored("k", 2)], events, 5) == {"k": stored("k", 5)}


def test_an_earlier_deletion_removes_an_object_still_seen() -> None:
    assert rewind([stored("k", 2)], [event(5, kind="DELETED", previous=2)], 5) == {}


def test_events_of_one_key_leave_others_alone() -> None:
    objects = [stored("a", 2), stored("b", 6)]

    rewound = rewind(objects, [event(6, key="b", previous=4)], 5)

    assert rewound == {"a": stored("a", 2), "b": stored("b", 4)}
