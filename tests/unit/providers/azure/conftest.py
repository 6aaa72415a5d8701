"""A box whose containers are processes, and a provider on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.azure_backend import AzureProviders, azure_on_processes


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[AzureProviders]:
    """Yield a box without groups, which opens providers."""
    found = azure_on_processes(tmp_path)
    yield found
    found.close()
