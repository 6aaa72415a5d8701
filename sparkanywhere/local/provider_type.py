"""The value of an option --provider. Apart from the other options of a server, whose settings take long to import."""

from __future__ import annotations

from typing import Any

import click

from chalicelib.providers import registry
from chalicelib.providers.declaration import ProviderDeclaration


class ProviderType(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions of click only
    """A provider that a server here can have; with `launches`, one that runs pods, and those on this machine."""

    name = "provider"

    def __init__(self, *, launches: bool = False) -> None:
        self._launches = launches

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name as it was given."""
        try:
            declaration = registry.find(value)
        except registry.UnknownProvider as error:
            self.fail(f"{error}.", param, ctx)
        if not self._fits(declaration):
            where = "on this machine" if self._launches else "for a server on this machine"
            self.fail(f"{value} runs no pods {where} ({declaration.summary}).", param, ctx)
        return value

    def _fits(self, declaration: ProviderDeclaration) -> bool:
        if declaration.is_remote:  # its pods reach this server by a public URL; changes must not be told by events
            return declaration.events is None and not self._launches
        return declaration.launches or not self._launches

    def get_metavar(self, param: click.Parameter, ctx: Any = None) -> str:  # click 8.1 passes no context
        """Return the installed providers that fit, for --help."""
        del param, ctx
        return f"[{'|'.join(each.name for each in registry.declarations() if self._fits(each))}]"
