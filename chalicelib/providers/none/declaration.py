"""What the provider `none` declares."""

from __future__ import annotations

from chalicelib.providers.base import Provider
from chalicelib.providers.declaration import ProviderContext, ProviderDeclaration


def build(context: ProviderContext) -> Provider:
    """Return the provider."""
    del context
    from chalicelib.providers.none.provider import NoneProvider

    return NoneProvider()


DECLARATION = ProviderDeclaration(name="none", summary="no tasks, pods stay Pending", build=build, launches=False)
