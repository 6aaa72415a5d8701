"""A collection is deleted by many threads whose marks share transactions, as if it were one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.registry.deletion import DELETIONS_AT_ONCE
from chalicelib.storage.base import Change, KeyNotFound, StorageUnavailable, StoredObject
from chalicelib.storage.sqlite.storage import SqliteStorage
from tests.api_client import ApiClient
from tests.unit.controllers.world import World

PODS = "/api/v1/namespaces/ns/pods"
NAMES = [f"pod-{n}" for n in range(3 * DELETIONS_AT_ONCE)]


class Store(SqliteStorage):
    """Loses an object between the list and its deletion, or refuses to write one, by a part of its key."""

    lost = refused = "\0"

    def get(self, key: str) -> StoredObject:
        if key.endswith(self.lost):
            raise KeyNotFound(key)
        return super().get(key)

    def transact(self, changes: Sequence[Change]) -> Sequence[StoredObject]:
        if any(each.key.endswith(self.refused) for each in changes):
            raise StorageUnavailable("refused")
        return super().transact(changes)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(Store(tmp_path / "db"))
    for name in NAMES:
        world.create_pod(name, metadata={"finalizers": ["example.com/kept"]})
    yield world
    world.plane.close()


def marked(world: World) -> list[str]:
    """Return the names of the pods that are to go."""
    items: list[JSON] = ApiClient(world.plane).get(PODS)["items"]
    return sorted(each["metadata"]["name"] for each in items if "deletionTimestamp" in each["metadata"])


def store(world: World) -> Store:
    assert isinstance(world.plane.base.storage, Store)
    return world.plane.base.storage


def test_each_object_is_marked_once_and_told_as_it_was(world: World) -> None:
    answer = ApiClient(world.plane).request("DELETE", PODS)

    assert answer.status == 200
    assert sorted(each["metadata"]["name"] for each in answer.body["items"]) == sorted(NAMES)
    assert marked(world) == sorted(NAMES)


def test_what_is_gone_already_is_passed_over(world: World) -> None:
    store(world).lost = "/pod-7"

    answer = ApiClient(world.plane).request("DELETE", PODS)

    assert answer.status == 200
    assert set(NAMES) - set(marked(world)) == {"pod-7"}


def test_a_refusal_is_told_and_asking_again_deletes_the_rest(world: World) -> None:
    api = ApiClient(world.plane)
    store(world).refused = "/pod-7"

    refused = api.request("DELETE", PODS)
    store(world).refused = "\0"
    again = api.request("DELETE", PODS)

    assert refused.status == 503
    assert again.status == 200
    assert marked(world) == sorted(NAMES)
