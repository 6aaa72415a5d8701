"""The world, fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.controllers.world import World, world


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    """Give a World whose background work is done at once."""
    with world(tmp_path) as made:
        yield made
