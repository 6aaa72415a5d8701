"""`make pi`: one real Spark job in cluster mode, from nothing to the result, and nothing left behind.

sparkanywhere serve (an instance of its own) <- this command, or stock spark-submit; it follows and clears away
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import psutil

from chalicelib.providers import registry
from sparkanywhere.cli.job_options import pairs
from sparkanywhere.cli.job_progress import JobProgress
from sparkanywhere.cli.job_run import JobFailed, JobRun
from sparkanywhere.cli.job_screen import JobScreen, our_console, print_result
from sparkanywhere.cli.program_output import ProgramOutput
from sparkanywhere.cli.reach import page_link
from sparkanywhere.cli.spark_commands import built, installed
from sparkanywhere.cli.target_options import say_where
from sparkanywhere.cli.terminal import began_at, echo
from sparkanywhere.client.access import LAPTOP, Target, where
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.jobs.spark_rest import ui_port
from sparkanywhere.jobs.spec import JobSpec, SpecError
from sparkanywhere.jobs.submission import new_suffix, submit
from sparkanywhere.local.local_server import LocalServer, ServerFailed, temporary_server
from sparkanywhere.local.provider_type import ProviderType
from sparkanywhere.local.stop_signals import signals_as_interrupt, uninterrupted
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
    """The command's options: what to run and where; `port` 0 means a free one."""

    spark: str
    provider: str
    instances: int
    example: str
    main_class: str
    args: str  # as in a shell
    port: int
    conf: tuple[str, ...]  # key=value
    spark_submit: bool
    verbose: bool


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
    try:
        with signals_as_interrupt():
            sys.exit(run_pi(PiOptions(**values)))
    except (JobFailed, NoSuchExample, ServerFailed) as error:
        raise click.ClickException(str(error)) from error
    except SpecError as error:
        raise click.UsageError(str(error)) from error
    except KeyboardInterrupt:
        echo("Interrupted; nothing was left running.", err=True)
        sys.exit(INTERRUPTED)


def run_pi(options: PiOptions) -> int:
    """Run the job; return the exit code of its driver.

    Nothing is left running, however it ends. Raises click.ClickException (no Spark), JobFailed, NoSuchExample,
    ServerFailed, SpecError (--conf); KeyboardInterrupt on Ctrl-C.
    """
    conf = pairs("--conf", options.conf)
    say_where(where(LAPTOP))
    check_memory(options.instances, psutil.virtual_memory().available)
    in_images = registry.find(options.provider).image_engine is not None
    image = built(options.spark) if in_images else f"apache/spark:{options.spark}"  # no download without an engine
    spark_home = installed(options.spark)
    program = find_program(
        options.example, shlex.split(options.args), spark_home=spark_home, main_class=options.main_class
    )
    host_paths = {"SPARKANYWHERE_HOST_PATHS": program.file} if program.file else None
    wanted: JobSpec | Submission
    if options.spark_submit:
        program, mounted = in_containers(program) if in_images else (program, {})
        wanted = Submission(program, image, options.instances, {**mounted, **conf})
    else:
        wanted = JobSpec(
            application=program.file if in_images and program.file else program.resource,
            name=program.name,
            main_class=program.main_class,
            args=program.args,
            executors=options.instances,
            image=image,
            spark=options.spark,
            conf=conf,
            event_log=False,  # it would go with the control plane
        )
    job, console = JobProgress(instances=options.instances, began_at=began_at()), our_console()
    with temporary_server(
        os.environ, prefix="pi", provider=options.provider, port=options.port, settings=host_paths
    ) as server:
        _run_on(server, wanted, spark_home, job, JobScreen(job, console), options.verbose)
    print_result(console, job, now=time.monotonic(), with_tables=True)
    return job.exit_code


def _run_on(
    server: LocalServer,
    wanted: JobSpec | Submission,
    spark_home: Path,
    job: JobProgress,
    screen: JobScreen,
    verbose: bool,
) -> None:
    """Start the server, run the job on it, and clear it away."""
    screen.start()
    run = None
    try:
        screen.update(time.monotonic())
        access = server.start()
        job.end("control plane", time.monotonic())
        client = KubeClient(access)
        run = JobRun(
            client,
            job,
            screen,
            submit_log=server.folder / "spark-submit.log",
            server_alive=server.is_alive,
            output=ProgramOutput(screen.print_line, is_live=screen.is_live, takes_stdout=True, verbose=verbose),
            ui_port=ui_port(wanted.conf),
            ui_link=lambda pod, port: page_link(Target(access), pod, port),
            namespace=wanted.namespace if isinstance(wanted, JobSpec) else "default",
        )
        if isinstance(wanted, Submission):
            line = command(wanted, spark_home, master=access.url)
            run.run(line, environment(os.environ, spark_home=spark_home, kubeconfig=server.kubeconfig))
        else:
            run.follow(partial(submit, client, wanted, suffix=new_suffix(), say=screen.print_line))
    finally:
        with uninterrupted():
            if run is not None:
                run.clear_away()
            screen.stop()


def check_memory(instances: int, available_bytes: int) -> None:
    """Raise JobFailed if the driver and its executors would not fit into memory."""
    needed = (instances + 1) * JVM_BYTES
    if available_bytes < needed:
        raise JobFailed(
            f"A driver and {instances} executors need about {needed / 1e9:.1f} GB of memory and "
            f"{available_bytes / 1e9:.1f} GB is free: ask for fewer executors or free some."
        )
