"""A control plane that runs nothing, and its client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api_client import ApiClient, control_plane
from tests.unit.sparkanywhere.jobs.kube_in_process import InProcessClient


@pytest.fixture
def kube(tmp_path: Path) -> Iterator[InProcessClient]:
    """A client of a control plane of its own."""
    plane = control_plane(tmp_path)
    yield InProcessClient(ApiClient(plane))
    plane.close()
