"""What every Storage promises of its views: they see what is stored, however much of it they remember."""

from __future__ import annotations

import pytest

from chalicelib.storage.base import KeyNotFound, Storage
from chalicelib.storage.dynamodb.item import SETTLED_SECONDS
from chalicelib.storage.dynamodb.view import KEPT_CHARS, KEPT_OBJECTS
from tests.contract.storage_backends import FakeStores, StoreFactory, pod, pod_key

PODS = "/registry/pods/"


def config_key(name: str) -> str:
    return f"/registry/configmaps/default/{name}"


def test_a_view_sees_what_is_stored(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a"))

    for _ in range(2):
        view = storage.view()
        assert view.get(pod_key("a")) == created
        assert view.list(PODS).items == [created]
        assert view.revision() == created.revision
        with pytest.raises(KeyNotFound):
            view.get(pod_key("none"))


def test_a_new_view_sees_what_another_process_has_written(store_factory: StoreFactory) -> None:
    writer, reader = store_factory.open(), store_factory.open()
    first = writer.create(pod_key("a"), pod("a"))
    store_factory.clock.advance(2 * SETTLED_SECONDS)
    for _ in range(2):
        assert reader.view().get(pod_key("a")) == first
        with pytest.raises(KeyNotFound):
            reader.view().get(pod_key("b"))

    changed = writer.update(pod_key("a"), pod("a", phase="Running"), expected_revision=first.revision)
    made = writer.create(pod_key("b"), pod("b"))

    view = reader.view()
    assert (view.get(pod_key("a")), view.get(pod_key("b"))) == (changed, made)
    assert view.list(PODS).items == [changed, made]

    writer.delete(pod_key("a"), expected_revision=changed.revision)

    view = reader.view()
    with pytest.raises(KeyNotFound):
        view.get(pod_key("a"))
    assert view.list(PODS).items == [made]


def test_a_view_finds_an_object_by_its_uid(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a"))

    for _ in range(2):
        view = storage.view()
        assert view.get_by_uid("uid-of-a") == created
        with pytest.raises(KeyNotFound):
            view.get_by_uid("uid-of-none")

    storage.delete(pod_key("a"), expected_revision=created.revision)
    other = storage.create(pod_key("a"), pod("a", uid="another"))

    with pytest.raises(KeyNotFound):
        storage.view().get_by_uid("uid-of-a")
    assert storage.view().get_by_uid("another") == other


def requests_of(stores: FakeStores, storage: Storage, *keys: str) -> list[str]:
    """Return the requests that a view and its reads take."""
    before = len(stores.fake.requests)
    view = storage.view()
    for key in keys:
        try:
            view.get(key)
        except KeyNotFound:
            continue
    return stores.fake.requests[before:]


def test_what_has_not_changed_costs_one_read_together(stores: FakeStores) -> None:
    storage = stores.open()
    storage.create(config_key("a"), pod("a"))
    storage.create(config_key("b"), pod("b"))
    stores.clock.advance(2 * SETTLED_SECONDS)
    keys = [config_key("a"), config_key("b"), config_key("none"), "/registry/secrets/default/none"]

    assert requests_of(stores, storage, *keys) == ["Query", *["GetItem"] * 4]
    assert requests_of(stores, storage, *keys) == ["Query"]

    storage.create(pod_key("a"), pod("c"))
    assert requests_of(stores, storage, *keys) == ["Query"], "another resource"
    storage.create("/registry/secrets/default/s", pod("s"))
    assert requests_of(stores, storage, *keys) == ["Query", "GetItem"], "one of the resources"


def test_what_is_known_or_was_read_by_a_view_is_not_read_again(stores: FakeStores) -> None:
    storage = stores.open()
    known, other = storage.create(pod_key("a"), pod("a")), storage.create(pod_key("b"), pod("b"))
    storage.create(pod_key("c"), pod("c"))  # so that neither is the last one, which is remembered
    view = storage.view([known])
    before = len(stores.fake.requests)

    for _ in range(2):
        assert (view.get(known.key), view.get_by_uid("uid-of-a"), view.get(other.key)) == (known, known, other)
        with pytest.raises(KeyNotFound):
            view.get(pod_key("none"))

    assert stores.fake.requests[before:] == ["GetItem", "GetItem"]


def test_where_a_uid_was_found_it_is_looked_for_first(stores: FakeStores) -> None:
    storage = stores.open()
    made = storage.create(pod_key("a"), pod("a"))
    storage.get_by_uid("uid-of-a")
    before = len(stores.fake.requests)

    assert storage.get_by_uid("uid-of-a") == made

    assert stores.fake.requests[before:] == ["GetItem"]


def test_a_uid_that_lives_again_under_another_key_is_found(stores: FakeStores) -> None:
    storage = stores.open()
    first = storage.create(pod_key("a"), pod("a", uid="moved"))
    storage.get_by_uid("moved")
    storage.delete(first.key, expected_revision=first.revision)

    second = storage.create(pod_key("b"), pod("b", uid="moved"))

    assert storage.get_by_uid("moved") == second


def test_an_object_that_may_not_be_visible_yet_is_not_remembered(stores: FakeStores) -> None:
    storage = stores.open()
    storage.create(config_key("a"), pod("a"))
    late = stores.fake.take("object#configmaps", "default/a")
    with pytest.raises(KeyNotFound):
        storage.view().get(config_key("a"))

    stores.fake.put(late)

    assert storage.view().get(config_key("a")) == storage.get(config_key("a"))


def test_the_object_of_the_last_event_is_remembered_at_once(stores: FakeStores) -> None:
    storage = stores.open()
    storage.create(config_key("a"), pod("a"))

    assert requests_of(stores, storage, config_key("a")) == ["Query", "GetItem"]
    assert requests_of(stores, storage, config_key("a")) == ["Query"]


def test_large_objects_and_too_many_are_not_remembered(stores: FakeStores) -> None:
    storage = stores.open()
    storage.create(config_key("large"), {**pod("large"), "data": {"a": "x" * KEPT_CHARS}})
    stores.clock.advance(2 * SETTLED_SECONDS)
    many = [config_key(f"none-{number}") for number in range(KEPT_OBJECTS + 1)]

    for _ in range(2):
        assert requests_of(stores, storage, config_key("large")) == ["Query", "GetItem"]
    for _ in range(2):
        assert len(requests_of(stores, storage, *many)) == len(many) + 1
