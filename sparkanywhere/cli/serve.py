"""`sparkanywhere serve`: the real `chalice local`, in the foreground, in this very process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from sparkanywhere.local.local_server import PROJECT


@click.command()
@click.option("--port", default=8001, show_default=True, help="Port to serve on; 0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve on.")
@click.option("--provider", type=click.Choice(["process", "docker", "none"]), default="process")
def serve(port: int, host: str, provider: str) -> None:
    """Serve the Kubernetes API in the foreground until Ctrl-C."""
    chalice = str(Path(sys.executable).parent / "chalice")
    os.chdir(PROJECT)
    sys.stdout.flush()
    command = [chalice, "local", "--host", host, "--port", str(port), "--provider", provider]
    os.execv(chalice, command)  # signals and the terminal are chalice's own then
