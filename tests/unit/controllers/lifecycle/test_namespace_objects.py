"""What every namespace holds, from its beginning to its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.registry.options import WriteOptions
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World

OURS = [("serviceaccounts", "default"), ("configmaps", "kube-root-ca.crt")]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a world whose API has a certificate authority of its own."""
    (tmp_path / "ca.pem").write_text("PEM")
    return World(MemoryStorage(), ca_file=str(tmp_path / "ca.pem"))


def _found(w: World, namespace: str) -> list[JSON]:
    found = [w.get(resource, name, namespace) for resource, name in OURS]
    return [each for each in found if each]


@pytest.mark.parametrize("namespace", ["ns", "default", "kube-system", "kube-public", "kube-node-lease"])
def test_a_namespace_has_an_account_and_the_certificate_as_soon_as_it_is_there(world: World, namespace: str) -> None:
    account, certificate = _found(world, namespace)

    assert certificate["data"] == {"ca.crt": "PEM"}
    assert account["metadata"]["uid"] != certificate["metadata"]["uid"]
    assert account["metadata"]["creationTimestamp"] == "2026-01-02T03:04:05Z"


def test_they_are_stored_right_with_it(w: World) -> None:
    before = w.storage.revision()

    w.create("namespaces", "new")

    stored = [event.key.removeprefix("/registry/") for event in w.storage.events_after("/registry/", before).events]
    assert stored == ["namespaces/new", "serviceaccounts/new/default", "configmaps/new/kube-root-ca.crt"]


@pytest.mark.parametrize(("resource", "name"), OURS)
def test_what_somebody_deletes_is_there_again(world: World, resource: str, name: str) -> None:
    before = world.get(resource, name)

    world.delete(resource, name)

    again = world.get(resource, name)
    assert before is not None
    assert again is not None
    assert again["metadata"]["uid"] != before["metadata"]["uid"]
    assert again.get("data") == before.get("data")


def test_a_certificate_that_somebody_changes_is_restored(world: World) -> None:
    registry = world.registries[("", "configmaps")]
    found = registry.typed(registry.get("ns", "kube-root-ca.crt"))

    registry.update("ns", "kube-root-ca.crt", {**found, "data": {"ca.crt": "mine"}}, WriteOptions())

    assert (world.get("configmaps", "kube-root-ca.crt") or {})["data"] == {"ca.crt": "PEM"}


def test_a_store_from_before_gets_them_and_a_new_certificate_replaces_the_old(world: World, tmp_path: Path) -> None:
    stored = world.storage.get("/registry/serviceaccounts/ns/default")
    world.storage.delete(stored.key, expected_revision=stored.revision)
    (tmp_path / "new.pem").write_text("NEW")
    later = World(world.storage, first=False, ca_file=str(tmp_path / "new.pem"))

    later.run_chores()

    _, certificate = _found(later, "ns")
    assert certificate["data"] == {"ca.crt": "NEW"}


def test_without_a_certificate_of_its_own_an_api_has_none_to_give(w: World) -> None:
    _, certificate = _found(w, "ns")

    assert certificate["data"] == {}


def test_they_go_with_their_namespace(world: World) -> None:
    world.delete("namespaces", "ns")

    assert world.get("namespaces", "ns", None) is None
    assert _found(world, "ns") == []
