"""`sparkanywhere serve`: the Kubernetes API on this machine, in the foreground."""

from __future__ import annotations

import json
import os
import runpy
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from chalice.config import Config

from chalicelib.config import Settings
from sparkanywhere.local.devserver import ChaliceApp, ChaliceConfig, open_server, run
from sparkanywhere.local.server_options import local_options, server_options
from sparkanywhere.local.temporary import Starter, clear_away
from sparkanywhere.project import PROJECT

HOST_PATHS = "SPARKANYWHERE_HOST_PATHS"


@click.command(params=server_options())
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8001,
    show_default=True,
    help="Port to serve on; 0 takes a free one.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve on.")
@click.option("--temporary", is_flag=True, hidden=True)  # ends with the command that has started it
@click.option("--discard", is_flag=True, hidden=True)  # ... which leaves nothing of it, also where it is killed
@click.option("--hand-over-to", default="", hidden=True)  # ... but records, to this instance
@click.option("--look", default="", hidden=True)  # only shows what is stored; the value names its kubeconfig
def serve(*, temporary: bool, discard: bool, hand_over_to: str, look: str, **values: Any) -> None:
    """Serve the Kubernetes API in the foreground until Ctrl-C.

    Jobs in containers may work in the folder that this is started in, and below; --host-paths names others.
    """
    options = replace(local_options(**values), is_temporary=temporary, look=look)
    here, is_told = os.getcwd(), HOST_PATHS in {**os.environ, **options.settings}
    if not is_told and ":" not in here and here not in ("/", str(Path.home())):  # too much for containers to see
        options = replace(options, settings={**options.settings, HOST_PATHS: here})
    starter = Starter() if temporary else None
    code = run(lambda: open_server(options, os.environ, _load_app))
    if starter is not None and starter.is_gone and discard:
        settings = Settings.from_env()
        clear_away(settings, provider=settings.provider, hand_over_to=hand_over_to)
    sys.exit(code)


def _load_app() -> tuple[ChaliceApp, ChaliceConfig]:
    """Run our app.py, whatever this folder has of that name; return its app and configuration."""
    config = json.loads((PROJECT / ".chalice" / "config.json").read_text())
    return runpy.run_path(str(PROJECT / "app.py"))["app"], Config("dev", config_from_disk=config)
