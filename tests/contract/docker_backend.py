"""The Docker backend of the provider contract: one control plane of its own for each test."""

from __future__ import annotations

import uuid
from contextlib import closing
from pathlib import Path

from chalicelib.providers.base import Provider
from chalicelib.providers.docker.cleanup import down
from chalicelib.providers.docker.engine import connect
from chalicelib.providers.docker.provider import DockerProvider
from tests.docker_images import ensure_busybox


class DockerProviders:
    """Containers of an engine, found again by the label of a random control plane; `host` is as in DOCKER_HOST."""

    image = "busybox"

    def __init__(self, directory: Path, *, host: str = "") -> None:
        del directory  # all that is to be remembered is in the engine
        self._host = host
        self._id = f"contract-{uuid.uuid4().hex[:8]}"
        self._opened: list[DockerProvider] = []
        with closing(connect(self._host)) as client:
            ensure_busybox(client)

    def open(self) -> Provider:
        """Return a further handle, as a control plane that was started again has it."""
        provider = DockerProvider(self._id, connect=lambda: connect(self._host), pull_pause_seconds=0.2)
        self._opened.append(provider)
        return provider

    def close(self) -> None:
        """Leave nothing in the engine."""
        for provider in self._opened:
            provider.close()
        with closing(connect(self._host)) as client:
            down(client, self._id)
