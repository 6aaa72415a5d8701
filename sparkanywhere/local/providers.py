"""What providers of this machine do beside running pods: build images, remove what an ended control plane left."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from chalicelib.config import Settings
from chalicelib.providers import registry
from chalicelib.providers.base import ProviderUnavailable


def remove_leftovers(folder: Path, settings: Settings, *, providers: Collection[str] = ()) -> dict[str, int]:
    """Have every installed provider, and `providers`, remove all that is left of the instance in `folder`.

    Returns how much of what was removed. Repeatable. For an instance without a server: a living one would start
    its pods again. Raises ProviderUnavailable if one of them could not, once all have tried.
    """
    removed: dict[str, int] = {}
    failure: ProviderUnavailable | None = None
    for declaration in registry.declarations(providers):
        if declaration.clean_up is None:
            continue
        context = settings.provider_context(declaration)
        try:
            count = declaration.clean_up(replace(context, state=folder, instance=folder.name))
        except ProviderUnavailable as error:
            failure = error
        else:
            removed[declaration.leavings] = count
    if failure is not None:
        raise failure
    return removed


def engine(settings: Settings) -> Any:  # a docker.APIClient, whose stubs know half of it
    """Return a connection to the engine of the chosen provider, or of the first that has one.

    Raises ProviderUnavailable with one sentence.
    """
    for declaration in (settings.declaration, *registry.declarations()):
        if declaration.image_engine is not None:
            return declaration.image_engine(settings.provider_context(declaration))
    raise ProviderUnavailable("NoEngine", "No provider that is installed has a Docker engine.")
