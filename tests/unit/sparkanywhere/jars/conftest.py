"""A Maven repository on this machine, and no proxy before it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.sparkanywhere.jars.maven_server import MavenServer, maven_server


@pytest.fixture(autouse=True)
def without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask servers of this machine themselves, whatever proxy the environment names."""
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server() -> Iterator[MavenServer]:
    with maven_server() as running:
        yield running
