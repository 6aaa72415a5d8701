"""Our options for `chalice local`, and our server behind it. All other commands stay as they are."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from sparkanywhere.local.local_settings import LocalOptions

OURS = ("docker", "provider", "storage", "instance", "tls", "token")


def options() -> list[click.Parameter]:
    """Return the options that `chalice local` gets."""
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


def extend(cli_module: ModuleType) -> None:
    """Add our options to the `local` command of chalice.cli and put our server behind it.

    Raises AttributeError or KeyError where this chalice is not the one we know, changing nothing.
    """
    command = cli_module.cli.commands["local"]
    stock = command.callback
    known = {parameter.name for parameter in command.params}
    if not {"host", "port", "stage", "autoreload"} <= known or known & set(OURS):
        raise AttributeError("the options of `chalice local` are not those of chalice 1.34")
    command.callback = click.pass_context(_callback(cli_module, stock))
    command.params.extend(options())


def _callback(cli_module: ModuleType, stock: Callable[..., None]) -> Callable[..., None]:
    def local(context: click.Context, /, **values: Any) -> None:  # Any: click's own values
        ours = {name: values.pop(name) for name in OURS}
        factory = context.obj["factory"]
        if not _is_our_project(factory.project_dir):
            if any(value is not None for value in ours.values()):
                raise click.UsageError("--docker and its kin are for the Sparkanywhere project alone.")
            context.invoke(stock, **values)
            return
        chosen = _local_options(values["host"], values["port"], ours)
        if _is_asked_for(context, "autoreload") and values["autoreload"]:
            from sparkanywhere.local.reloading import run_with_reloader

            sys.exit(run_with_reloader(cli_module, factory, chosen, values["stage"]))
        sys.exit(_serve(cli_module, factory, chosen, values["stage"]))

    return local


def _is_our_project(folder: str) -> bool:
    return (Path(folder) / "chalicelib" / "plane" / "control_plane.py").is_file()


def _is_asked_for(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT


def _local_options(host: str, port: int, ours: dict[str, Any]) -> LocalOptions:
    docker = ours.pop("docker")
    if docker and ours["provider"] not in (None, "docker"):
        raise click.UsageError(f"--docker and --provider {ours['provider']} exclude one another.")
    provider = "docker" if docker else ours.pop("provider")
    ours.pop("provider", None)
    return LocalOptions(host=host, port=port, provider=provider, **ours)


def _serve(cli_module: ModuleType, factory: Any, chosen: LocalOptions, stage: str) -> int:
    from sparkanywhere.local.devserver import open_server, run

    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(message)s"
    )  # as the stock command does
    return run(lambda: open_server(chosen, os.environ, lambda: load_app(cli_module, factory, stage)))


def load_app(cli_module: ModuleType, factory: Any, stage: str) -> tuple[Any, Any]:
    """Import the project's app; return it and its configuration. Raises where `chalice deploy` would."""
    config = factory.create_config_obj(chalice_stage_name=stage)
    app = config.chalice_app
    cli_module.validate_routes(app.routes)
    return app, config
