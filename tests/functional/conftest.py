"""Fixtures of the tests of the Docker provider: an engine, a control plane of the test's own, what opens providers."""

from __future__ import annotations

import gc
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from chalicelib.providers.docker.cleanup import down
from chalicelib.providers.docker.engine import connect
from chalicelib.providers.docker.provider import DockerProvider
from tests.docker_images import ensure_busybox
from tests.functional.docker_tasks import Open


@pytest.fixture
def engine() -> Iterator[Any]:  # a docker.APIClient
    """Yield a connection to the engine."""
    with closing(connect()) as client:
        ensure_busybox(client)
        yield client


@pytest.fixture
def control_plane(engine: Any) -> Iterator[str]:
    """Yield the id of a control plane of the test's own; nothing of it is left afterwards."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    yield name
    down(engine, name)


@pytest.fixture
def open_provider(control_plane: str) -> Iterator[Open]:
    """Yield what opens providers of that control plane, one after another as after crashes."""
    opened: list[DockerProvider] = []

    def open_one(**options: Any) -> DockerProvider:
        provider = DockerProvider(control_plane, **{"pull_pause_seconds": 0.1, **options})
        opened.append(provider)
        provider.open()
        return provider

    yield open_one
    for provider in opened:
        provider.close()
    gc.collect()  # what the SDK left to the garbage collector is this test's, not the next one's


@pytest.fixture
def provider(open_provider: Open) -> DockerProvider:
    """Return a provider without tasks."""
    return open_provider()


@pytest.fixture
def tagged(engine: Any) -> Iterator[Callable[[str], None]]:
    """Yield what gives busybox another name, for the length of the test."""
    names: list[str] = []

    def tag(name: str) -> None:
        repository, _, version = name.rpartition(":")
        engine.tag("busybox", repository, version)
        names.append(name)

    yield tag
    for name in names:
        engine.remove_image(name, force=True)
