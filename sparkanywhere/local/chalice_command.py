"""Chalice's command line with our options and our server behind `chalice local`, and our stages behind what deploys.

`make` puts it at .venv/bin/chalice. In other projects nothing changes. A stock chalice that packs or deploys this
project gives way to it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import click

# In a checkout, and where the wheel deploys. A folder above may hold a clone by our name.
OURS = ("sparkanywhere/local", "vendor/sparkanywhere/_plane")
DEPLOYING = ("deploy", "delete", "package", "plan")
ChaliceApp = Any  # chalice ships no types
ChaliceConfig = Any


def main() -> int:
    """Run Chalice's command line; return the exit code."""
    from chalice import cli  # not at the top: app.py imports this module, within any program

    if any(Path(folder).is_dir() for folder in OURS):
        from sparkanywhere.deployment.chalice_factory import StageFactory

        cli.CLIFactory = StageFactory  # type: ignore[attr-defined]  # found by name
        try:
            extend(cli)
        except Exception as error:  # another Chalice: its own commands must still work
            print(
                f"sparkanywhere: `chalice local` is left as it ships ({type(error).__name__}: {error}). "
                "Is this chalice 1.34? SPARKANYWHERE_PROVIDER=docker chalice local needs no option.",
                file=sys.stderr,
            )
    code: int = cli.main()
    return code


def extend(cli: ModuleType) -> None:
    """Add our options to the `local` command of chalice.cli and put our server behind it.

    Raises AttributeError or KeyError, and changes nothing, if this is not the chalice we know.
    """
    from sparkanywhere.local.server_options import local_options, server_options

    command = cli.cli.commands["local"]
    ours = server_options()
    known = {parameter.name for parameter in command.params}
    if not {"host", "port", "stage", "autoreload"} <= known or known & {one.name for one in ours}:
        raise AttributeError("the options of `chalice local` are not those of chalice 1.34")

    @click.pass_context
    def local(context: click.Context, /, stage: str, autoreload: bool, **values: Any) -> None:
        from sparkanywhere.local.devserver import open_server, run
        from sparkanywhere.local.reloading import run_with_reloader

        options, factory = local_options(**values), context.obj["factory"]
        config = factory.create_config_obj(chalice_stage_name=stage)

        def load_app() -> tuple[ChaliceApp, ChaliceConfig]:
            cli.validate_routes(config.chalice_app.routes)  # as `chalice deploy` would
            return config.chalice_app, config

        is_default = context.get_parameter_source("autoreload") is click.core.ParameterSource.DEFAULT
        if autoreload and not is_default:
            sys.exit(run_with_reloader(options, load_app, config.project_dir))
        sys.exit(run(lambda: open_server(options, os.environ, load_app)))

    command.callback = local
    command.params.extend(ours)


def replace_stock_chalice() -> None:
    """Put our server behind a stock `chalice local`, and go on as our command where a stock one packs or deploys.

    app.py calls this, as in a checkout without `make`. In programs that are not Chalice's nothing happens.
    """
    local = sys.modules.get("chalice.local")
    if local is not None:
        local.create_local_server = _create_local_server  # type: ignore[attr-defined]  # found by name
    context = click.get_current_context(silent=True)
    if context is None or context.info_name not in DEPLOYING or "factory" not in (context.obj or {}):
        return
    if type(context.obj["factory"]).__module__ == "chalice.cli.factory":
        given, here = context.find_root().params["project_dir"], os.getcwd()  # which chalice has changed to it
        words = [here if word == given else word for word in sys.argv[1:]]
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, "-m", __name__, *words])


def _create_local_server(app: ChaliceApp, config: ChaliceConfig, host: str, port: int) -> Any:
    """Return our server, whose serve_forever() Chalice calls, for an app that is imported already."""
    from sparkanywhere.local.devserver import open_server
    from sparkanywhere.local.local_settings import LocalOptions
    from sparkanywhere.local.start import CannotStart

    try:
        return open_server(LocalOptions(host=host, port=port), os.environ, lambda: (app, config))
    except CannotStart as error:
        print(str(error), file=sys.stderr, flush=True)
        os._exit(1)  # under its reloader Chalice asks from a thread, and would go on without a server


if __name__ == "__main__":
    sys.argv[0] = "chalice"
    sys.exit(main())
