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
    """Containers of this machine's engine, found again by the label of a random control plane."""

    image = "busybox"

    def __init__(self, directory: Path) -> None:
        del directory  # all that is to be remembered is in the engine
        self._id = f"contract-{uuid.uuid4().hex[:8]}"
        self._opened: list[DockerProvider] = []
        with closing(connect()) as client:
            ensure_busybox(client)

    def open(self) -> Provider:
        """Return a further handle, as a control plane that was started again has it."""
        provider = DockerProvider(self._id, pull_pause_seconds=0.2)
        self._opened.append(provider)
        return provider

    def close(self) -> None:
        """Leave nothing in the engine."""
        for provider in self._opened:
            provider.close()
        with closing(connect()) as client:
            down(client, self._id)
