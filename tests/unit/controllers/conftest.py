"""The world, fresh for each test."""

from __future__ import annotations

import pytest

from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World


@pytest.fixture
def w() -> World:
    """Return a World whose background work is done at once."""
    return World(MemoryStorage())
