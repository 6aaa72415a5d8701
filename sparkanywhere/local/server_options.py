"""The options that `serve` and `chalice local` share; those of providers come from their declarations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import click

from chalicelib.config import PREFIX
from chalicelib.providers import registry
from chalicelib.storage import stores
from sparkanywhere.local.local_settings import LocalOptions
from sparkanywhere.local.provider_type import ProviderType


def server_options() -> list[click.Parameter]:
    """Return the options besides --host and --port."""
    return [
        *_provider_options(),
        click.Option(
            ["--provider"],
            type=ProviderType(),
            help=f"What runs pods, by its name or its module's. Default: {registry.DEFAULT}.",
        ),
        click.Option(["--storage"], type=click.Choice(stores.names()), help=f"Default: {stores.DEFAULT}."),
        click.Option(["--instance"], help="Name of the state to use, for several servers side by side."),
        click.Option(["--tls/--no-tls"], default=None, help="Serve https with a certificate of our own."),
        click.Option(["--token"], help="Bearer token that clients must send."),
    ]


def _provider_options() -> Iterator[click.Option]:
    for declaration in registry.declarations():
        name = declaration.name
        if declaration.flag_help:
            yield click.Option([f"--{name}/--no-{name}"], default=None, help=declaration.flag_help)
        for each in fields(declaration.settings) if declaration.settings else ():
            if each.metadata.get("option"):
                doc = each.metadata["doc"]
                yield click.Option(
                    [f"--{each.name.replace('_', '-')}"], help=f"{doc[0].upper()}{doc[1:]} (provider {name})."
                )


def local_options(
    *,
    host: str,
    port: int,
    provider: str | None,
    storage: str | None,
    instance: str | None,
    tls: bool | None,
    token: str | None,
    **of_providers: Any,  # flags, and texts of settings
) -> LocalOptions:
    """Return click's values of the options. Raises click.UsageError if two of them contradict each other."""
    settings = {f"{PREFIX}{name.upper()}": value for name, value in of_providers.items() if isinstance(value, str)}
    for flag in (name for name, value in of_providers.items() if value is True):
        if provider not in (None, flag):
            raise click.UsageError(f"--{flag} and --provider {provider} exclude one another.")
        provider = flag
    return LocalOptions(
        host=host,
        port=port,
        provider=provider,
        storage=storage,
        instance=instance,
        tls=tls,
        token=token,
        settings=settings,
    )
