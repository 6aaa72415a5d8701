"""What every Storage promises to several handles on one store, as processes hold them, and to their users."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import RevisionExpired, Storage
from chalicelib.storage.updates import guaranteed_update
from tests.contract.storage_backends import StoreFactory, create_all, pod, pod_key

PODS = "/registry/pods/"


def test_another_handle_on_the_store_sees_each_write_at_once(store_factory: StoreFactory) -> None:
    ours, theirs = store_factory.open(), store_factory.open()
    start = theirs.revision()

    created = ours.create(pod_key("a"), pod("a"))

    assert theirs.revision() == created.revision
    assert theirs.get(pod_key("a")) == created
    assert theirs.list(PODS).items == [created]
    assert [event.json for event in theirs.events_after(PODS, start).events] == [created.json]


def test_handles_on_one_store_take_turns_with_revisions(store_factory: StoreFactory) -> None:
    ours, theirs = store_factory.open(), store_factory.open()
    start = ours.revision()

    for n in range(3):
        ours.create(pod_key(f"ours{n}"), pod(f"ours{n}"))
        theirs.create(pod_key(f"theirs{n}"), pod(f"theirs{n}"))

    for storage in (ours, theirs):
        events = storage.events_after(PODS, start).events
        assert [event.revision for event in events] == list(range(start + 1, start + 7))


def test_a_write_by_another_handle_wakes_a_waiter(store_factory: StoreFactory) -> None:
    ours, theirs = store_factory.open(), store_factory.open()
    start = ours.revision()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ours.wait, start, 30, PODS)
        theirs.create(pod_key("a"), pod("a"))

        assert waiting.result(timeout=20) == start + 1


def test_closing_wakes_waiters_and_may_be_repeated(storage: Storage) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(storage.wait, storage.revision(), 60)
        storage.close()
        waiting.result(timeout=20)

    storage.close()


def test_a_reopened_store_is_as_it_was(store_factory: StoreFactory) -> None:
    storage = store_factory.open()
    start = storage.revision()
    stored = create_all(storage, pod_key("a"), pod_key("b"))
    storage.delete(pod_key("b"), expected_revision=stored[pod_key("b")].revision)
    storage.close()

    reopened = store_factory.open()

    assert reopened.revision() == start + 3
    assert reopened.list(PODS).items == [stored[pod_key("a")]]
    assert len(reopened.events_after(PODS, start).events) == 3


def test_a_guaranteed_update_applies_to_the_newest_state_however_many_were_faster(storage: Storage) -> None:
    storage.create(pod_key("a"), pod("a"))
    interference = iter(range(50))  # more than twenty, which a fair race would need

    def change(obj: JSON) -> JSON:
        for n in interference:
            current = storage.get(pod_key("a"))
            storage.update(pod_key("a"), pod("a", phase=str(n)), expected_revision=current.revision)
            break
        obj["metadata"]["labels"] = {"seen": obj.get("status", {}).get("phase")}
        return obj

    updated = guaranteed_update(storage, pod_key("a"), change)

    assert updated.object()["metadata"]["labels"] == {"seen": "49"}


def test_a_guaranteed_update_that_changes_nothing_writes_nothing(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a"))

    assert guaranteed_update(storage, pod_key("a"), lambda obj: obj) == created
    assert guaranteed_update(storage, pod_key("a"), lambda _: None) == created
    assert storage.revision() == created.revision


def test_an_event_comes_with_the_state_before_it_or_not_at_all(store_factory: StoreFactory) -> None:
    """A watch with a selector needs that state to see an object leave its selection."""
    writer, reader = store_factory.open(), store_factory.open()
    created = writer.create(pod_key("a"), pod("a", phase="Pending"))
    reader.wait(created.revision - 1, 0, PODS)  # knows of the creation
    writer.update(pod_key("a"), pod("a", phase="Running"), expected_revision=created.revision)
    writer.expire_events(-1)

    reader.wait(created.revision, 0, PODS)

    with contextlib.suppress(RevisionExpired):
        (event,) = reader.events_after(PODS, created.revision).events
        assert event.previous_json == created.json
