"""`make pi`: one real Spark job in cluster mode, from nothing to the result, and nothing left behind.

sparkanywhere serve (an instance of its own) <- stock spark-submit <- this command, which follows and clears away
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import psutil
from rich.console import Console

from chalicelib.providers import registry
from sparkanywhere.cli.image_command import built
from sparkanywhere.cli.job_progress import JobProgress
from sparkanywhere.cli.job_run import JobFailed, JobRun
from sparkanywhere.cli.job_screen import JobScreen, print_result
from sparkanywhere.cli.spark_command import installed
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.local.local_server import LocalServer, ServerFailed, temporary_server
from sparkanywhere.local.provider_type import ProviderType
from sparkanywhere.local.stop_signals import signals_as_interrupt, uninterrupted
from sparkanywhere.spark import class_archive
from sparkanywhere.spark.spark_submit import (
    NoSuchExample,
    Submission,
    command,
    environment,
    find_program,
    in_containers,
)

JVM_BYTES = 400 * 1024 * 1024  # resident memory of a small driver or executor (measured: 240 to 400 MiB)
INTERRUPTED = 130  # the shell's exit code for a program ended by Ctrl-C


@dataclass(frozen=True, slots=True)
class PiOptions:
    """What to run and where; `port` 0 means a free one."""

    spark: str
    provider: str
    instances: int
    example: str
    main_class: str
    args: tuple[str, ...]
    port: int
    conf: tuple[tuple[str, str], ...]
    verbose: bool


@click.command()
@click.option("--spark", default="4.3.0", show_default=True, help="Version of Spark.")
@click.option("--provider", type=ProviderType(launches=True), default=registry.DEFAULT, show_default=True)
@click.option("--instances", type=click.IntRange(1, 200), default=2, show_default=True, help="Executors.")
@click.option("--example", default="SparkPi", show_default=True, help="SparkPi, pi.py, or your .py or .jar.")
@click.option("--class", "main_class", default="", help="Main class of your .jar.")
@click.option(
    "--args", default="100", show_default=True, help="Arguments for the program, as a shell splits."
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the control plane; 0: free.")
@click.option("--conf", multiple=True, help="Further Spark settings, key=value.")
@click.option("--verbose", is_flag=True, help="Print every line of the driver's log.")
def pi(
    *,
    spark: str,
    provider: str,
    instances: int,
    example: str,
    main_class: str,
    args: str,
    port: int,
    conf: tuple[str, ...],
    verbose: bool,
) -> None:
    """Run SparkPi, or a program of your own, in cluster mode on this machine, and say what it took."""
    options = PiOptions(
        spark=spark,
        provider=provider,
        instances=instances,
        example=example,
        main_class=main_class,
        args=tuple(shlex.split(args)),
        port=port,
        conf=tuple(_pair(entry) for entry in conf),
        verbose=verbose,
    )
    try:
        with signals_as_interrupt():
            sys.exit(run_pi(options, Console(highlight=False)))
    except (JobFailed, NoSuchExample, ServerFailed) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("Interrupted; nothing was left running.", err=True)
        sys.exit(INTERRUPTED)


def run_pi(options: PiOptions, console: Console, clock: Callable[[], float] = time.monotonic) -> int:
    """Run the job; return 0 if its driver ended well, else 1.

    Nothing is left running, however it ends. Raises click.ClickException (Spark can't be had), JobFailed,
    NoSuchExample, ServerFailed; KeyboardInterrupt on Ctrl-C.
    """
    check_memory(options.instances, psutil.virtual_memory().available)
    spark_home = installed(options.spark)
    program = find_program(
        options.example, options.args, spark_home=spark_home, main_class=options.main_class
    )
    image = f"apache/spark:{options.spark}"
    mounted: tuple[tuple[str, str], ...] = ()
    host_paths = {"SPARKANYWHERE_HOST_PATHS": program.file} if program.file else None
    in_images = registry.find(options.provider).image_engine is not None
    if in_images:
        image = built(options.spark)
        program, mounted = in_containers(program)
    job = JobProgress(instances=options.instances, began_at=clock())
    with temporary_server(
        os.environ, prefix="pi", provider=options.provider, port=options.port, settings=host_paths
    ) as server:

        def command_for(url: str) -> list[str]:
            conf = (*mounted, *options.conf)
            return command(Submission(program, url, image, options.instances, conf), spark_home)

        run = _run_on(
            server,
            job,
            JobScreen(job, console),
            command_for=command_for,
            spark_home=spark_home,
            verbose=options.verbose,
            clock=clock,
        )
    print_result(console, job, last_lines=run.last_lines, now=clock())
    if job.succeeded and not in_images and class_archive.is_due(spark_home):
        console.print("\nPreparing a faster start of Spark for the next run (once, some seconds) ...")
        class_archive.make_archive(spark_home)
    return 0 if job.succeeded else 1


def _run_on(
    server: LocalServer,
    job: JobProgress,
    screen: JobScreen,
    *,
    command_for: Callable[[str], list[str]],
    spark_home: Path,
    verbose: bool,
    clock: Callable[[], float],
) -> JobRun:
    """Run the job on a server of its own; `command_for` gives the command that submits it to a URL."""
    screen.start()
    run = None
    try:
        screen.update(clock())
        access = server.start()
        job.end("control plane", clock())
        run = JobRun(
            KubeClient(access),
            job,
            screen,
            submit_log=server.folder / "spark-submit.log",
            server_alive=server.is_alive,
            clock=clock,
            verbose=verbose,
        )
        run.run(
            command_for(access.url),
            environment(os.environ, spark_home=spark_home, kubeconfig=server.kubeconfig),
        )
    finally:
        with uninterrupted():
            if run is not None:
                run.clear_away()
            screen.stop()
    return run


def check_memory(instances: int, available_bytes: int) -> None:
    """Raise JobFailed if the driver and its executors would not fit into memory."""
    needed = (instances + 1) * JVM_BYTES
    if available_bytes < needed:
        raise JobFailed(
            f"A driver and {instances} executors need about {needed / 1e9:.1f} GB of memory and "
            f"{available_bytes / 1e9:.1f} GB is free: set INSTANCES lower or free some."
        )


def _pair(entry: str) -> tuple[str, str]:
    key, equals, value = entry.partition("=")
    if not equals:
        raise click.UsageError(f"--conf {entry} is not of the form key=value.")
    return key, value
