"""Fixtures that run a contract test once for each backend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.storage.base import Storage
from tests.contract.storage_backends import SqliteStores, StoreFactory


@pytest.fixture(params=["sqlite"])
def store_factory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreFactory]:
    """Yield what opens handles on one empty store."""
    stores = {"sqlite": SqliteStores}[request.param](tmp_path)
    yield stores
    stores.close()


@pytest.fixture
def storage(store_factory: StoreFactory) -> Storage:
    """Return a handle on an empty store."""
    return store_factory.open()
