"""Nodes say which folders of this machine pods can work in, and only who sees the same file system believes them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.cluster.shared_folders import SHARED_FOLDERS, shared_folders
from chalicelib.providers.extensions import SharedFolders
from tests.fake_provider import FakeProvider
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World


class Sharing(FakeProvider):
    """A provider whose tasks see folders of this machine."""

    shared_folders: SharedFolders | None = SharedFolders(("/work",), user="7:0", is_mounted=True)


def node(world: World) -> JSON:
    world.controllers.nodes.keep()
    return world.get("nodes", "fake", None) or {}


def test_a_node_says_what_its_provider_shares_and_follows_it() -> None:
    provider = Sharing()
    world = World(MemoryStorage(), provider=provider)

    assert shared_folders(node(world)) == Sharing.shared_folders

    provider.shared_folders = SharedFolders(())
    assert shared_folders(node(world)) == SharedFolders(()), "its pods run on this machine"

    provider.shared_folders = None
    assert SHARED_FOLDERS not in (node(world)["metadata"].get("annotations") or {})

    provider.shared_folders = SharedFolders(("/other",))
    assert shared_folders(node(world)) == SharedFolders(("/other",))


def test_the_node_is_there_once_the_control_plane_has_started() -> None:
    world = World(MemoryStorage(), provider=Sharing())

    world.plane.start()
    found = world.get("nodes", "fake", None)
    world.plane.close()

    assert found is not None
    assert shared_folders(found) == Sharing.shared_folders


def test_a_provider_that_shares_nothing_says_nothing() -> None:
    assert "annotations" not in node(World(MemoryStorage()))["metadata"]


@pytest.mark.parametrize(
    "change", [{"file_system": "another"}, {"paths": None}, {"user": ...}], ids=["elsewhere", "no list", "cut"]
)
def test_another_file_system_and_nonsense_are_not_believed(change: dict[str, Any]) -> None:
    told = node(World(MemoryStorage(), provider=Sharing()))
    said = json.loads(told["metadata"]["annotations"][SHARED_FOLDERS]) | change
    text = json.dumps({key: value for key, value in said.items() if value is not ...})

    assert shared_folders({**told, "metadata": {"annotations": {SHARED_FOLDERS: text}}}) is None
    assert shared_folders({**told, "metadata": {"annotations": {SHARED_FOLDERS: "{"}}}) is None
    assert shared_folders({**told, "metadata": {}}) is None
