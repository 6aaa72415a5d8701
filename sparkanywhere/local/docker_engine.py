"""The Docker engine that this machine's settings name."""

from __future__ import annotations

from typing import Any

from chalicelib.config import Settings


def engine(settings: Settings) -> Any:  # a docker.APIClient, whose stubs know half of it
    """Return a connection to the engine. Raises ProviderUnavailable with one sentence."""
    from chalicelib.providers.docker import connect  # loads the SDK: only for those who use it

    return connect(settings.docker_host(), tls_directory=settings.docker_tls_directory())
