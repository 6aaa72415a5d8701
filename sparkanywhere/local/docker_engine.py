"""The Docker engine that images are built in."""

from __future__ import annotations

from typing import Any

from chalicelib.config import Settings
from chalicelib.providers import registry
from chalicelib.providers.base import ProviderUnavailable


def engine(settings: Settings) -> Any:  # a docker.APIClient, whose stubs know half of it
    """Return a connection to the engine of the chosen provider, or of the first that has one.

    Raises ProviderUnavailable with one sentence.
    """
    for declaration in (settings.declaration, *registry.declarations()):
        if declaration.image_engine is not None:
            return declaration.image_engine(settings.provider_context(declaration))
    raise ProviderUnavailable("NoEngine", "No provider that is installed has a Docker engine.")
