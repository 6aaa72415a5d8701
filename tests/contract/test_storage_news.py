"""What every Storage promises of news, such as Events, and what DynamoDB does for one write of each."""

from __future__ import annotations

import threading

import pytest

from chalicelib.registry.watch import Watch
from chalicelib.storage.base import Change, KeyExists, KeyNotFound, RevisionConflict, Storage, WatchEvent
from chalicelib.storage.dynamodb.news import LAG_SECONDS
from chalicelib.storage.keys import NEWS
from chalicelib.storage.updates import guaranteed_update, remove_with
from tests.contract.storage_backends import FakeStores, StoreFactory, pod, pod_key

EVENTS = "/registry/events/"
TRANSACTION = "TransactWriteItems"


def event_key(name: str, namespace: str = "default") -> str:
    return f"{EVENTS}{namespace}/{name}"


def test_news_are_written_read_and_removed(storage: Storage) -> None:
    created = storage.create(event_key("a"), pod("a"))
    with pytest.raises(KeyExists):
        storage.create(event_key("a"), pod("a", uid="another"))
    assert storage.get(event_key("a")) == created
    assert storage.view().get(event_key("a")) == created

    changed = storage.update(event_key("a"), pod("a", phase="again"), expected_revision=created.revision)
    with pytest.raises(RevisionConflict):
        storage.update(event_key("a"), pod("a"), expected_revision=created.revision)
    assert changed.revision > created.revision
    assert storage.get(event_key("a")) == changed

    with pytest.raises(RevisionConflict):
        storage.delete(event_key("a"), expected_revision=created.revision)
    deleted = storage.delete(event_key("a"), expected_revision=changed.revision)
    assert (deleted.object()["status"], deleted.revision > changed.revision) == ({"phase": "again"}, True)
    with pytest.raises(KeyNotFound):
        storage.get(event_key("a"))
    with pytest.raises(KeyNotFound):
        storage.update(event_key("a"), pod("a"), expected_revision=deleted.revision)
    with pytest.raises(KeyNotFound):
        storage.delete(event_key("a"), expected_revision=deleted.revision)
    assert storage.create(event_key("a"), pod("a")).revision > deleted.revision


@pytest.mark.parametrize("resource", list(NEWS))
def test_news_are_listed_by_namespace_page_by_page(storage: Storage, resource: str) -> None:
    prefix = f"/registry/{resource}/"
    made = [storage.create(f"{prefix}{name}", pod(name, uid=name)) for name in ("a/x", "a/y", "a/z", "b/x")]

    assert storage.list(prefix).items == made
    assert storage.view().list(prefix).items == made
    assert storage.list(f"{prefix}a/").items == made[:3]
    assert storage.count(f"{prefix}a/") == 3
    pages = [storage.list(prefix, limit=3)]
    pages.append(storage.list(prefix, limit=3, start_key=pages[0].next_key, revision=pages[0].revision))
    assert [page.items for page in pages] == [made[:3], made[3:]]
    assert (pages[1].next_key, pages[1].revision) == (None, pages[0].revision)


def test_news_of_many_writers_are_counted_up_one_by_one(store_factory: StoreFactory) -> None:
    handles = [store_factory.open() for _ in range(4)]
    handles[0].create(event_key("a"), {**pod("a"), "count": 0})

    def count_up(storage: Storage) -> None:
        for _ in range(5):
            guaranteed_update(storage, event_key("a"), lambda old: {**old, "count": old["count"] + 1})

    threads = [threading.Thread(target=count_up, args=(each,)) for each in handles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert handles[0].get(event_key("a")).object()["count"] == 20


def watched(
    storage: Storage, factory: StoreFactory, revision: int, *, limit: int = 500
) -> tuple[list[WatchEvent], int]:
    """Return what a watch from `revision` has heard once all that was written before has become visible."""
    factory.clock.advance(LAG_SECONDS + 0.1)
    found: list[WatchEvent] = []
    while batch := storage.events_after(EVENTS, revision, limit=limit):
        found, revision = found + batch.events, batch.revision
        if not batch.events:
            return found, revision
    raise AssertionError


@pytest.mark.parametrize("limit", [1, 2, 500])
def test_a_watch_from_a_list_hears_of_all_news(store_factory: StoreFactory, limit: int) -> None:
    storage, other = store_factory.open(), store_factory.open()
    storage.create(event_key("before"), pod("before"))
    store_factory.clock.advance(60)
    listed = storage.list(EVENTS)
    made = [other.create(event_key(name, name), pod(name)) for name in "dacb"]

    heard, reached = watched(storage, store_factory, listed.revision, limit=limit)

    assert sorted(event.key for event in heard) == sorted(each.key for each in made)
    assert {event.type for event in heard} == {"ADDED"}
    assert [event.revision for event in heard] == sorted(event.revision for event in heard)
    assert watched(storage, store_factory, reached)[0] == []


def test_a_watch_does_not_tell_again_of_what_it_began_with(store_factory: StoreFactory) -> None:
    storage = store_factory.open()
    storage.create(event_key("listed"), pod("listed"))
    listed = storage.list(EVENTS)
    storage.create(event_key("later"), pod("later"))
    store_factory.clock.advance(2 * LAG_SECONDS)

    over = Watch(storage, EVENTS, listed.revision, deadline=0, initial=listed.items)

    told = [(frame.type, frame.stored.key) for frame in over.frames() if frame]
    assert told == [("ADDED", event_key("listed")), ("ADDED", event_key("later"))]


def test_a_watch_hears_of_a_change_as_one(store_factory: StoreFactory) -> None:
    storage = store_factory.open()
    created = storage.create(event_key("a"), pod("a"))
    _, reached = watched(storage, store_factory, created.revision)

    changed = storage.update(event_key("a"), pod("a", phase="again"), expected_revision=created.revision)

    (event,), _ = watched(storage, store_factory, reached)
    assert (event.type, event.json, event.revision) == ("MODIFIED", changed.json, changed.revision)


def test_what_becomes_visible_late_is_heard_of(store_factory: StoreFactory) -> None:
    storage = store_factory.open()
    seen = storage.list(EVENTS).revision

    for name in "abc":  # each watch asks right after the write, before and after it counts as visible
        storage.create(event_key(name), pod(name))
        batch = storage.events_after(EVENTS, seen)
        seen = batch.revision
        store_factory.clock.advance(LAG_SECONDS / 2)
        late = storage.events_after(EVENTS, seen)
        seen = late.revision
        store_factory.clock.advance(LAG_SECONDS)
        heard = [*batch.events, *late.events, *storage.events_after(EVENTS, seen).events]
        assert [event.key for event in heard] == [event_key(name)]
        seen = max([seen, *(event.revision for event in heard)])


def test_a_revision_of_news_can_be_waited_for(storage: Storage) -> None:
    created = storage.create(event_key("a"), pod("a"))

    assert storage.revision(EVENTS) >= created.revision >> 12
    assert storage.wait(storage.revision(EVENTS), 0, EVENTS) >= 0


def test_news_go_with_the_transaction_that_they_are_about(storage: Storage) -> None:
    live = storage.create(pod_key("a"), pod("a"))

    remove_with(storage, live, [Change("ADDED", "/registry/podrecords/default/a", pod("a", uid="record"))])

    assert storage.list("/registry/pods/").items == []
    assert [item.key for item in storage.list("/registry/podrecords/").items] == ["/registry/podrecords/default/a"]


def test_what_an_earlier_removal_left_is_replaced(storage: Storage) -> None:
    live, key = storage.create(pod_key("a"), pod("a")), "/registry/podrecords/default/a"
    storage.create(key, {**pod("a", uid="record"), "state": "Running"})
    kept = Change("ADDED", "/registry/configmaps/default/kept", pod("kept", uid="kept"))

    remove_with(storage, live, [Change("ADDED", key, {**pod("a", uid="record"), "state": "Ended"}), kept])

    assert storage.list("/registry/pods/").items == []
    assert [item.object()["state"] for item in storage.list("/registry/podrecords/").items] == ["Ended"]
    assert storage.get(kept.key).object()["metadata"]["uid"] == "kept"


def test_on_dynamodb_news_are_no_transactions_and_take_no_revision(stores: FakeStores) -> None:
    storage = stores.open()
    before = storage.revision()
    stores.fake.requests.clear()

    created = storage.create(event_key("a"), pod("a"))
    changed = storage.update(event_key("a"), pod("a", phase="again"), expected_revision=created.revision)
    storage.delete(event_key("a"), expected_revision=changed.revision)

    assert stores.fake.requests == ["PutItem", "GetItem", "PutItem", "GetItem", "DeleteItem"]
    assert storage.revision() == before


def test_on_dynamodb_events_expire_by_themselves(stores: FakeStores) -> None:
    storage = stores.open()
    created = storage.create(event_key("a"), pod("a"))
    stores.clock.advance(3000)
    storage.update(event_key("a"), pod("a", phase="again"), expected_revision=created.revision)
    stores.clock.advance(3000)
    assert storage.count(EVENTS) == 1, "an hour after it was last written, not made"

    stores.clock.advance(600)

    assert storage.list(EVENTS).items == []
    assert len(stores.fake.items()) == 1, "DynamoDB removes it when it likes"
    with pytest.raises(KeyNotFound):
        storage.get(event_key("a"))
    assert storage.create(event_key("a"), pod("a")).revision > created.revision


def put_news_of_an_earlier_version(stores: FakeStores) -> None:
    text = '{"metadata":{"resourceVersion":"7","name":"old","uid":"old"}}'
    key = {"key": event_key("old")}
    for row in (
        {"pk": "object#events", "sk": "default/old", "uid": "old", "owners": '["owner"]', "text": text, **key},
        {"pk": "uid#old", "sk": "uid", **key},
        {"pk": "owner#owner", "sk": event_key("old"), **key},
    ):
        stores.fake.put({**{name: {"S": value} for name, value in row.items()}, "revision": {"N": "7"}})


def test_events_of_an_earlier_version_are_read_and_removed(stores: FakeStores) -> None:
    storage = stores.open()
    put_news_of_an_earlier_version(stores)

    (old,) = storage.list(EVENTS).items

    assert (old.revision, old.object()["metadata"]["name"]) == (7, "old")
    assert storage.update(old.key, pod("old", uid="old"), expected_revision=7).revision > 7
    storage.delete(old.key, expected_revision=storage.get(old.key).revision)
    assert storage.list(EVENTS).items == []


@pytest.mark.parametrize("change", ["update", "delete"])
def test_what_an_earlier_version_wrote_beside_an_event_goes_with_its_next_write(
    stores: FakeStores, change: str
) -> None:
    storage = stores.open()
    put_news_of_an_earlier_version(stores)

    if change == "update":
        storage.update(event_key("old"), pod("old", uid="old"), expected_revision=7)
    else:
        storage.delete(event_key("old"), expected_revision=7)

    assert stores.fake.find("uid#old", "uid") is None
    assert stores.fake.find("owner#owner", event_key("old")) is None
    assert len(storage.list(EVENTS).items) == (change == "update")
    before = len(stores.fake.requests)
    for event in storage.list(EVENTS).items:
        storage.delete(event.key, expected_revision=event.revision)
    assert stores.fake.requests[before:].count("DeleteItem") == (change == "update"), "no rows are looked for again"
