"""The options that `serve` and `chalice local` share."""

from __future__ import annotations

import click

from sparkanywhere.local.local_settings import LocalOptions


def server_options() -> list[click.Parameter]:
    """Return the options besides --host and --port."""
    return [
        click.Option(
            ["--docker/--no-docker"], default=None, help="Run pods as containers of a Docker engine."
        ),
        click.Option(
            ["--provider"],
            type=click.Choice(["process", "docker", "none"]),
            help="What runs pods; none leaves them Pending. Default: process.",
        ),
        click.Option(["--storage"], type=click.Choice(["sqlite", "dynamodb"]), help="Default: sqlite."),
        click.Option(["--instance"], help="Name of the state to use, for several servers side by side."),
        click.Option(["--tls/--no-tls"], default=None, help="Serve https with a certificate of our own."),
        click.Option(["--token"], help="Bearer token that clients must send."),
    ]


def local_options(
    *,
    host: str,
    port: int,
    docker: bool | None,
    provider: str | None,
    storage: str | None,
    instance: str | None,
    tls: bool | None,
    token: str | None,
) -> LocalOptions:
    """Return click's values of the options. Raises click.UsageError if two of them contradict each other."""
    if docker and provider not in (None, "docker"):
        raise click.UsageError(f"--docker and --provider {provider} exclude one another.")
    return LocalOptions(
        host=host,
        port=port,
        provider="docker" if docker else provider,
        storage=storage,
        instance=instance,
        tls=tls,
        token=token,
    )
