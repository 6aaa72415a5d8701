"""What every Storage promises: the sentences of chalicelib/storage/base.py, one test each."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.apimachinery.status import JSON
from chalicelib.storage.base import (
    KeyExists,
    KeyNotFound,
    ObjectTooLarge,
    RevisionConflict,
    RevisionExpired,
    Storage,
    StoredObject,
    guaranteed_update,
)
from tests.contract.storage_backends import StoreFactory, pod, pod_key

PODS = "/registry/pods/"


def test_an_empty_store_has_a_revision_above_zero(storage: Storage) -> None:
    assert storage.revision() > 0


def test_each_write_takes_the_next_revision(storage: Storage) -> None:
    before = storage.revision()

    created = storage.create(pod_key("a"), pod("a"))
    updated = storage.update(pod_key("a"), pod("a", phase="Running"), expected_revision=created.revision)
    deleted = storage.delete(pod_key("a"), expected_revision=updated.revision)

    assert [created.revision, updated.revision, deleted.revision] == [before + 1, before + 2, before + 3]
    assert storage.revision() == before + 3


def test_a_created_object_is_read_back_with_its_revision(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a"))

    assert storage.get(pod_key("a")) == created
    assert created.key == pod_key("a")
    expected = pod("a")
    expected["metadata"]["resourceVersion"] = str(created.revision)
    assert created.object() == expected


def test_kind_and_api_version_are_not_stored(storage: Storage) -> None:
    created = storage.create(pod_key("a"), {"kind": "Pod", "apiVersion": "v1", **pod("a")})

    assert created.object().keys() == pod("a").keys()


def test_a_written_object_is_not_changed(storage: Storage) -> None:
    sent = {"kind": "Pod", **pod("a")}
    copy = json.loads(json.dumps(sent))

    created = storage.create(pod_key("a"), sent)
    storage.update(pod_key("a"), sent, expected_revision=created.revision)

    assert sent == copy


@pytest.mark.parametrize(
    "text", ["naïve \N{SNOWMAN} \N{GRINNING FACE}", "\x00", '"\\\n', "\ud800", "resourceVersion"], ids=ascii
)
def test_any_text_survives(storage: Storage, text: str) -> None:
    created = storage.create(pod_key("a"), {**pod("a"), "data": {text: text}})

    assert storage.get(pod_key("a")).object()["data"] == {text: text}
    assert storage.delete(pod_key("a"), expected_revision=created.revision).object()["data"] == {text: text}


def test_numbers_keep_their_kind(storage: Storage) -> None:
    numbers = {
        "integer": 1,
        "float": 1.0,
        "big": 2**63,
        "small": 1e-7,
        "negative": -0.5,
        "true": True,
        "null": None,
    }

    storage.create(pod_key("a"), {**pod("a"), "data": numbers})

    stored = storage.get(pod_key("a")).object()["data"]
    assert {name: (type(value), value) for name, value in stored.items()} == {
        name: (type(value), value) for name, value in numbers.items()
    }


def test_each_decoding_is_a_fresh_copy(storage: Storage) -> None:
    stored = storage.create(pod_key("a"), pod("a"))

    stored.object()["metadata"]["name"] = "changed"

    assert stored.object()["metadata"]["name"] == "a"


def test_an_object_without_a_uid_is_refused(storage: Storage) -> None:
    with pytest.raises(ValueError, match="uid"):
        storage.create(pod_key("a"), {"metadata": {"name": "a"}})

    assert storage.list(PODS).items == []


def test_creating_what_exists_is_refused(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a"))

    with pytest.raises(KeyExists):
        storage.create(pod_key("a"), pod("a", uid="another"))

    assert storage.get(pod_key("a")) == created
    assert storage.revision() == created.revision


def test_creating_a_living_uid_again_is_refused(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a", uid="same"))

    with pytest.raises(KeyExists):
        storage.create(pod_key("b"), pod("b", uid="same"))

    assert storage.get_by_uid("same") == created
    assert storage.revision() == created.revision


def test_a_deleted_key_and_uid_can_be_used_again(storage: Storage) -> None:
    first = storage.create(pod_key("a"), pod("a"))
    storage.delete(pod_key("a"), expected_revision=first.revision)

    second = storage.create(pod_key("a"), pod("a"))

    assert storage.get(pod_key("a")) == second
    assert second.revision == first.revision + 2


def test_reading_what_is_not_there_is_refused(storage: Storage) -> None:
    with pytest.raises(KeyNotFound):
        storage.get(pod_key("a"))


def test_an_object_is_found_by_its_uid_while_it_lives(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a", uid="uid-1"))
    updated = storage.update(
        pod_key("a"), pod("a", uid="uid-1", phase="Running"), expected_revision=created.revision
    )

    assert storage.get_by_uid("uid-1") == updated
    storage.delete(pod_key("a"), expected_revision=updated.revision)
    with pytest.raises(KeyNotFound):
        storage.get_by_uid("uid-1")


def test_a_stale_update_is_refused(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a"))
    updated = storage.update(pod_key("a"), pod("a", phase="Running"), expected_revision=created.revision)

    with pytest.raises(RevisionConflict) as refused:
        storage.update(pod_key("a"), pod("a", phase="Failed"), expected_revision=created.revision)

    assert refused.value.expected == created.revision
    assert refused.value.actual in (updated.revision, None)
    assert storage.get(pod_key("a")) == updated
    assert storage.revision() == updated.revision


def test_updating_what_is_not_there_is_refused(storage: Storage) -> None:
    with pytest.raises(KeyNotFound):
        storage.update(pod_key("a"), pod("a"), expected_revision=1)


def test_an_update_must_keep_the_uid(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a", uid="uid-1"))

    with pytest.raises(ValueError, match="uid"):
        storage.update(pod_key("a"), pod("a", uid="uid-2"), expected_revision=created.revision)

    assert storage.get(pod_key("a")) == created


def test_a_stale_delete_is_refused(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a"))
    updated = storage.update(pod_key("a"), pod("a", phase="Running"), expected_revision=created.revision)

    with pytest.raises(RevisionConflict):
        storage.delete(pod_key("a"), expected_revision=created.revision)

    assert storage.get(pod_key("a")) == updated


def test_deleting_what_is_not_there_is_refused(storage: Storage) -> None:
    with pytest.raises(KeyNotFound):
        storage.delete(pod_key("a"), expected_revision=1)


def test_a_delete_returns_what_was_stored_at_its_own_revision(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a", phase="Running"))

    deleted = storage.delete(pod_key("a"), expected_revision=created.revision)

    expected = pod("a", phase="Running")
    expected["metadata"]["resourceVersion"] = str(deleted.revision)
    assert deleted.object() == expected


def test_a_delete_may_leave_another_last_state(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a"))

    deleted = storage.delete(pod_key("a"), expected_revision=created.revision, last=pod("a", phase="Failed"))

    (event,) = storage.events_after(PODS, created.revision).events
    assert deleted.object()["status"] == {"phase": "Failed"}
    assert (event.json, event.previous_json) == (deleted.json, created.json)


def test_an_object_of_two_mebibytes_is_refused(storage: Storage) -> None:
    # Digits of a hash do not compress well enough to fit anywhere.
    text = "".join(f"{hash((n, 'x')) & 0xFFFFFFFFFFFFFFFF:016x}" for n in range(1024 * 1024 // 8))
    created = storage.create(pod_key("a"), pod("a"))

    with pytest.raises(ObjectTooLarge) as refused:
        storage.create(pod_key("b"), {**pod("b"), "data": {"text": text}})
    with pytest.raises(ObjectTooLarge):
        storage.update(pod_key("a"), {**pod("a"), "data": {"text": text}}, expected_revision=created.revision)

    assert refused.value.size_bytes > refused.value.limit_bytes > 0
    assert storage.revision() == created.revision


def test_a_config_map_of_one_mebibyte_of_text_fits(storage: Storage) -> None:
    text = "spark.executor.memory 4g\n" * (1024 * 1024 // 25)

    created = storage.create(pod_key("a"), {**pod("a"), "data": {"text": text}})
    deleted = storage.delete(pod_key("a"), expected_revision=created.revision)

    assert created.object()["data"]["text"] == text
    (_, event) = storage.events_after(PODS, created.revision - 1).events
    assert (event.json, event.previous_json) == (deleted.json, created.json)


def owned_by(name: str, *owners: str) -> JSON:
    obj = pod(name)
    obj["metadata"]["ownerReferences"] = [{"kind": "Pod", "name": owner, "uid": owner} for owner in owners]
    return obj


def owned_keys(storage: Storage, owner: str) -> list[str]:
    return sorted(stored.key for stored in storage.list_by_owner(owner))


def test_what_an_object_owns_is_found_by_its_uid(storage: Storage) -> None:
    one = storage.create(pod_key("one"), owned_by("one", "driver"))
    both = storage.create("/registry/services/default/both", owned_by("both", "driver", "other", "driver"))
    storage.create(pod_key("none"), pod("none"))

    assert sorted(storage.list_by_owner("driver"), key=lambda stored: stored.key) == [one, both]
    assert storage.list_by_owner("other") == [both]
    assert storage.list_by_owner("uid-of-one") == []


def test_owners_follow_each_write(storage: Storage) -> None:
    stored = storage.create(pod_key("a"), owned_by("a", "driver"))
    stored = storage.update(
        pod_key("a"), owned_by("a", "driver", "other", "two words"), expected_revision=stored.revision
    )
    assert owned_keys(storage, "driver") == owned_keys(storage, "other") == [pod_key("a")]

    stored = storage.update(pod_key("a"), owned_by("a", "other"), expected_revision=stored.revision)
    assert owned_keys(storage, "driver") == owned_keys(storage, "two words") == []
    assert storage.list_by_owner("other") == [stored]

    storage.delete(pod_key("a"), expected_revision=stored.revision, last=owned_by("a", "driver"))
    assert owned_keys(storage, "driver") == owned_keys(storage, "other") == []


def create_all(storage: Storage, *keys: str) -> dict[str, StoredObject]:
    return {key: storage.create(key, pod(key.rsplit("/", 1)[1], uid=key)) for key in keys}


def test_a_list_holds_what_lies_under_its_prefix_in_key_order(storage: Storage) -> None:
    keys = [
        "/registry/pods/b/z",
        "/registry/pods/a/y",
        "/registry/pods/a-b/x",
        "/registry/pods/a/x",
        "/registry/pod/a/x",
        "/registry/podsets/a/x",
        "/registry/nodes/n",
    ]
    stored = create_all(storage, *keys)

    def listed(prefix: str) -> list[str]:
        page = storage.list(prefix)
        assert page.items == [stored[item.key] for item in page.items]
        assert (page.revision, page.next_key, page.remaining) == (storage.revision(), None, 0)
        return [item.key for item in page.items]

    assert listed(PODS) == [
        "/registry/pods/a-b/x",
        "/registry/pods/a/x",
        "/registry/pods/a/y",
        "/registry/pods/b/z",
    ]
    assert listed("/registry/pods/a/") == ["/registry/pods/a/x", "/registry/pods/a/y"]
    assert listed("/registry/nodes/") == ["/registry/nodes/n"]
    assert listed("/registry/services/") == []


def test_keys_are_ordered_by_their_utf8_bytes(storage: Storage) -> None:
    names = ["\U0001f600", "\ufb00", "é", "z", "A", "a.b", "a-b"]

    create_all(storage, *(f"/registry/pods/ns/{name}" for name in names))

    listed = [item.key.rsplit("/", 1)[1] for item in storage.list(PODS).items]
    assert listed == ["A", "a-b", "a.b", "z", "é", "\ufb00", "\U0001f600"]


def test_a_prefix_without_its_slash_is_refused(storage: Storage) -> None:
    with pytest.raises(ValueError, match="slash"):
        storage.list("/registry/pods")
    with pytest.raises(ValueError, match="slash"):
        storage.events_after("/registry/pods", storage.revision())


def test_pages_cover_a_list_without_gap_or_repetition(storage: Storage) -> None:
    keys = sorted(create_all(storage, *(f"/registry/pods/ns{n % 3}/p{n:02}" for n in range(11))))

    seen: list[str] = []
    start_key = None
    remaining = []
    while True:
        page = storage.list(PODS, limit=4, start_key=start_key)
        seen += [item.key for item in page.items]
        remaining.append(page.remaining)
        start_key = page.next_key
        if start_key is None:
            break

    assert seen == keys
    assert remaining in ([7, 3, 0], [None, None, 0])  # see Page: a backend may decline to count


def test_a_page_that_ends_with_the_list_is_the_last(storage: Storage) -> None:
    create_all(storage, pod_key("a"), pod_key("b"))

    page = storage.list(PODS, limit=2)

    assert (len(page.items), page.next_key, page.remaining) == (2, None, 0)


def test_a_start_key_that_is_gone_starts_at_the_next(storage: Storage) -> None:
    create_all(storage, pod_key("a"), pod_key("c"))

    assert [item.key for item in storage.list(PODS, start_key=pod_key("b")).items] == [pod_key("c")]


def test_a_list_at_an_old_revision_shows_the_state_of_then(storage: Storage) -> None:
    stored = create_all(storage, pod_key("changed"), pod_key("gone"), pod_key("again"), pod_key("kept"))
    old = storage.revision()
    changed = stored[pod_key("changed")]
    for phase in ("Running", "Failed"):
        changed = storage.update(
            changed.key, pod("changed", uid=changed.key, phase=phase), expected_revision=changed.revision
        )
    for name in ("gone", "again"):
        storage.delete(pod_key(name), expected_revision=stored[pod_key(name)].revision)
    create_all(storage, pod_key("again"), pod_key("new"))

    page = storage.list(PODS, revision=old)

    assert page.items == [stored[pod_key(name)] for name in ("again", "changed", "gone", "kept")]
    assert (page.revision, page.next_key, page.remaining) == (old, None, 0)


def test_pages_at_an_old_revision_cover_the_list_of_then(storage: Storage) -> None:
    stored = create_all(storage, *(pod_key(f"p{n}") for n in range(6)))
    first = storage.list(PODS, limit=2)
    for n in (0, 2, 3, 5):
        storage.delete(pod_key(f"p{n}"), expected_revision=stored[pod_key(f"p{n}")].revision)
    create_all(storage, pod_key("p1x"), pod_key("p9"))

    second = storage.list(PODS, limit=2, start_key=first.next_key, revision=first.revision)
    third = storage.list(PODS, limit=2, start_key=second.next_key, revision=first.revision)

    assert [*first.items, *second.items, *third.items] == list(stored.values())
    assert [page.remaining for page in (first, second, third)] in ([4, 2, 0], [None, None, 0])
    assert third.next_key is None


def test_a_list_at_a_revision_of_the_future_is_as_of_now(storage: Storage) -> None:
    create_all(storage, pod_key("a"))

    page = storage.list(PODS, revision=storage.revision() + 100)

    assert (len(page.items), page.revision) == (1, storage.revision())


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
    create_all(
        storage, "/registry/pods/a/x", "/registry/pods/b/x", "/registry/podsets/a/x", "/registry/nodes/n"
    )

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
    for read in (
        lambda: storage.events_after(PODS, start + 1),
        lambda: storage.list(PODS, revision=start + 1),
    ):
        with pytest.raises(RevisionExpired) as refused:
            read()
        assert refused.value.oldest == oldest
    assert [event.key for event in storage.events_after(PODS, oldest).events] == [pod_key("c"), pod_key("d")]
    assert [item.key for item in storage.list(PODS, revision=oldest).items] == [pod_key("a"), pod_key("b")]


def test_expiry_touches_no_object_and_no_revision(store_factory: StoreFactory) -> None:
    storage = store_factory.open()
    stored = create_all(storage, pod_key("a"), pod_key("b"), pod_key("c"))
    changed = storage.update(
        pod_key("b"),
        pod("b", uid=pod_key("b"), phase="Running"),
        expected_revision=stored[pod_key("b")].revision,
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
        pod_key("a"),
        pod("a", uid=pod_key("a"), phase="Failed"),
        expected_revision=stored[pod_key("a")].revision,
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


def test_a_guaranteed_update_applies_to_the_newest_state(storage: Storage) -> None:
    storage.create(pod_key("a"), pod("a"))
    interference = iter(range(3))

    def change(obj: JSON) -> JSON:
        for n in interference:
            current = storage.get(pod_key("a"))
            storage.update(pod_key("a"), pod("a", phase=str(n)), expected_revision=current.revision)
            break
        obj["metadata"]["labels"] = {"seen": obj.get("status", {}).get("phase")}
        return obj

    updated = guaranteed_update(storage, pod_key("a"), change)

    assert updated.object()["metadata"]["labels"] == {"seen": "2"}


def test_a_guaranteed_update_that_changes_nothing_writes_nothing(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a"))

    assert guaranteed_update(storage, pod_key("a"), lambda obj: obj) == created
    assert guaranteed_update(storage, pod_key("a"), lambda _: None) == created
    assert storage.revision() == created.revision
