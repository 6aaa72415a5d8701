"""What every Storage promises of events, their expiry, and waiting for them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.storage.base import RevisionExpired, Storage
from tests.contract.storage_backends import StoreFactory, create_all, pod, pod_key

PODS = "/registry/pods/"


def test_events_tell_all_writes_in_order(storage: Storage) -> None:
    start = storage.revision()
    created = storage.create(pod_key("a"), pod("a"))
    updated = storage.update(pod_key("a"), pod("a", phase="Running"), expected_revision=created.revision)
    deleted = storage.delete(pod_key("a"), expected_revision=updated.revision)

    batch = storage.events_after(PODS, start)

    assert batch.revision == deleted.revision
    assert [(e.type, e.key, e.revision, e.json, e.previous_json) for e in batch.events] == [
        ("ADDED", pod_key("a"), created.revision, created.json, None),
        ("MODIFIED", pod_key("a"), updated.revision, updated.json, created.json),
        ("DELETED", pod_key("a"), deleted.revision, deleted.json, updated.json),
    ]


def test_events_hold_what_lies_under_their_prefix(storage: Storage) -> None:
    start = storage.revision()
    create_all(storage, "/registry/pods/a/x", "/registry/pods/b/x", "/registry/podsets/a/x", "/registry/nodes/n")

    batch = storage.events_after("/registry/pods/a/", start)

    assert [event.key for event in batch.events] == ["/registry/pods/a/x"]
    assert batch.revision == storage.revision()
    assert [event.key for event in storage.events_after(PODS, start + 1).events] == ["/registry/pods/b/x"]


def test_batches_of_events_go_on_where_the_last_one_ended(storage: Storage) -> None:
    start = storage.revision()
    keys = [*(pod_key(f"p{n}") for n in range(5)), "/registry/nodes/n"]
    create_all(storage, *keys)

    first = storage.events_after(PODS, start, limit=3)
    second = storage.events_after(PODS, first.revision, limit=3)
    third = storage.events_after(PODS, second.revision, limit=3)

    assert [event.key for event in first.events + second.events + third.events] == keys[:5]
    assert (len(first.events), first.revision) == (3, start + 3)
    assert third.revision == storage.revision()


def test_a_batch_without_events_moves_the_revision_on(storage: Storage) -> None:
    start = storage.revision()
    create_all(storage, "/registry/nodes/n")

    batch = storage.events_after(PODS, start)

    assert (batch.events, batch.revision) == ([], start + 1)


def test_events_of_the_future_are_an_empty_batch_at_that_revision(storage: Storage) -> None:
    future = storage.revision() + 10

    batch = storage.events_after(PODS, future)

    assert (batch.events, batch.revision) == ([], future)


def test_a_watch_from_a_list_misses_nothing(storage: Storage) -> None:
    create_all(storage, pod_key("a"))
    page = storage.list(PODS)
    later = storage.create(pod_key("b"), pod("b"))

    batch = storage.events_after(PODS, page.revision)

    assert [event.revision for event in batch.events] == [later.revision]


def test_expired_events_can_not_be_asked_for(store_factory: StoreFactory) -> None:
    storage = store_factory.open()
    start = storage.revision()
    create_all(storage, pod_key("a"), pod_key("b"))
    store_factory.clock.advance(100)
    create_all(storage, pod_key("c"), pod_key("d"))

    oldest = storage.expire_events(keep_seconds=50)

    assert oldest == start + 2
    for read in (lambda: storage.events_after(PODS, start + 1), lambda: storage.list(PODS, revision=start + 1)):
        with pytest.raises(RevisionExpired) as refused:
            read()
        assert refused.value.oldest == oldest
    assert [event.key for event in storage.events_after(PODS, oldest).events] == [pod_key("c"), pod_key("d")]
    assert [item.key for item in storage.list(PODS, revision=oldest).items] == [pod_key("a"), pod_key("b")]


def test_expiry_touches_no_object_and_no_revision(store_factory: StoreFactory) -> None:
    storage = store_factory.open()
    stored = create_all(storage, pod_key("a"), pod_key("b"), pod_key("c"))
    changed = storage.update(
        pod_key("b"), pod("b", uid=pod_key("b"), phase="Running"), expected_revision=stored[pod_key("b")].revision
    )
    storage.delete(pod_key("c"), expected_revision=stored[pod_key("c")].revision)
    revision = storage.revision()
    store_factory.clock.advance(100)

    assert storage.expire_events(keep_seconds=50) == revision
    assert storage.expire_events(keep_seconds=50) == revision

    assert storage.revision() == revision
    assert storage.list(PODS).items == [stored[pod_key("a")], changed]
    assert storage.get_by_uid(pod_key("b")) == changed
    again = storage.update(
        pod_key("a"), pod("a", uid=pod_key("a"), phase="Failed"), expected_revision=stored[pod_key("a")].revision
    )
    (event,) = storage.events_after(PODS, revision).events
    assert (event.revision, event.previous_json) == (again.revision, stored[pod_key("a")].json)
    assert storage.list(PODS, revision=revision).items == [stored[pod_key("a")], changed]


def test_expiry_in_many_steps_keeps_each_state_that_can_be_asked_for(store_factory: StoreFactory) -> None:
    storage = store_factory.open()
    stored = storage.create(pod_key("a"), pod("a"))
    states = {stored.revision: stored}
    for n in range(6):
        store_factory.clock.advance(10)
        stored = storage.update(pod_key("a"), pod("a", phase=str(n)), expected_revision=stored.revision)
        states[stored.revision] = stored

    for keep_seconds in (45, 25, 5):
        oldest = storage.expire_events(keep_seconds)
        for revision in range(oldest, stored.revision + 1):
            assert storage.list(PODS, revision=revision).items == [states[revision]]
        events = storage.events_after(PODS, oldest).events
        assert [event.previous_json for event in events] == [states[e.revision - 1].json for e in events]


def test_expiry_keeps_what_was_written_after_a_deletion(store_factory: StoreFactory) -> None:
    storage = store_factory.open()
    gone = storage.create(pod_key("gone"), pod("gone"))
    storage.delete(pod_key("gone"), expected_revision=gone.revision)
    stored = create_all(storage, pod_key("a"), pod_key("gone"))
    store_factory.clock.advance(100)

    storage.expire_events(keep_seconds=50)

    assert storage.list(PODS).items == list(stored.values())


def test_nothing_expires_before_its_time(storage: Storage) -> None:
    start = storage.revision()
    create_all(storage, pod_key("a"))

    storage.expire_events(keep_seconds=3600)

    assert len(storage.events_after(PODS, start).events) == 1


def test_a_wait_for_the_past_returns_at_once(storage: Storage) -> None:
    start = storage.revision()
    create_all(storage, pod_key("a"))

    assert storage.wait(start, 30) == start + 1


def test_a_wait_ends_when_its_time_is_up(storage: Storage) -> None:
    start = storage.revision()

    assert storage.wait(start, 0.05) == start


@pytest.mark.parametrize("prefix", [None, PODS, "/registry/pods/default/"])
def test_a_write_wakes_a_waiter(storage: Storage, prefix: str | None) -> None:
    start = storage.revision()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(storage.wait, start, 30, prefix)
        create_all(storage, pod_key("a"))
        woken_at = waiting.result(timeout=20)

    assert woken_at == start + 1


def test_a_loop_of_waits_sees_a_write_after_writes_elsewhere(storage: Storage) -> None:
    start = storage.revision()

    def watch() -> str:
        revision, deadline = start, time.monotonic() + 20
        while time.monotonic() < deadline:
            batch = storage.events_after(PODS, revision)
            if batch.events:
                return batch.events[0].key
            revision = batch.revision
            storage.wait(revision, 5, PODS)
        raise AssertionError("the event never came")

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        create_all(storage, "/registry/nodes/n1", "/registry/nodes/n2", pod_key("a"))

        assert watching.result(timeout=25) == pod_key("a")
