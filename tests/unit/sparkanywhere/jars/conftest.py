"""A Maven repository on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.sparkanywhere.jars.maven_server import MavenServer, maven_server


@pytest.fixture
def server() -> Iterator[MavenServer]:
    with maven_server() as running:
        yield running
