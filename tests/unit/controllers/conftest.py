"""The world, fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.storage.base import Storage
from tests.contract.dynoxide import Dynoxide
from tests.contract.storage_backends import DynamoStores
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.crash_walk import CrashStores
from tests.unit.controllers.world import World


@pytest.fixture
def w() -> World:
    """Return a World whose background work is done at once."""
    return World(MemoryStorage())


@pytest.fixture(params=["memory", pytest.param("dynoxide", marks=pytest.mark.dynoxide)])
def stores(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CrashStores]:
    """Yield what makes the stores that a control plane dies over."""
    if request.param == "memory":
        yield CrashStores(MemoryStorage, every=1)
        return
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    server = Dynoxide(tmp_path)
    made: list[DynamoStores] = []

    def new_table() -> Storage:
        for each in made:
            each.close()
        made[:] = [DynamoStores(endpoint=server.url)]
        return made[0].open()

    yield CrashStores(new_table, every=5)  # each of them makes some hundred requests
    for each in made:
        each.close()
    server.close()
