"""`make pi`: one real Spark job in cluster mode, from nothing to the result, and nothing left behind.

sparkanywhere serve (an instance of its own) <- pi_run, or stock spark-submit; this command starts and ends it
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from chalicelib.providers import registry
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.failure import Failure
from sparkanywhere.local.local_server import temporary_server
from sparkanywhere.local.provider_type import ProviderType
from sparkanywhere.local.stop_signals import signals_as_interrupt

INTERRUPTED = 130  # the shell's exit code for a program ended by Ctrl-C


@click.command()
@click.option("--spark", default="4.3.0", show_default=True, help="Version of Spark.")
@click.option("--provider", type=ProviderType(launches=True), default=registry.DEFAULT, show_default=True)
@click.option("--instances", type=click.IntRange(1, 200), default=2, show_default=True, help="Executors.")
@click.option("--example", default="SparkPi", show_default=True, help="SparkPi, pi.py, or your .py or .jar.")
@click.option("--class", "main_class", default="", help="Main class of your .jar.")
@click.option("--args", default="100", show_default=True, help="Arguments for the program, as a shell splits.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the control plane; 0: free.")
@click.option("--conf", multiple=True, help="Further Spark settings, key=value.")
@click.option("--spark-submit", is_flag=True, help="Submit by stock spark-submit: a JVM more, the same pod.")
@click.option("--verbose", "-v", is_flag=True, help="Print every line of the driver's log.")
def pi(**values: Any) -> None:  # Any: click's values, those of PiOptions
    """Run SparkPi, or a program of your own, in cluster mode on this machine, and show the result."""
    own = Path(values["example"]).expanduser()
    host_paths = {"SPARKANYWHERE_HOST_PATHS": str(own.resolve())} if own.is_file() else None
    try:
        with (
            signals_as_interrupt(),
            temporary_server(
                os.environ, prefix="pi", provider=values["provider"], port=values["port"], settings=host_paths
            ) as server,
        ):
            server.launch()
            # beside the server's own imports, which take as long
            from sparkanywhere.cli.pi_run import PiOptions, run_pi

            code = run_pi(PiOptions(**values), server)
        sys.exit(code)
    except Failure as error:
        echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        echo("Interrupted; nothing was left running.", err=True)
        sys.exit(INTERRUPTED)
