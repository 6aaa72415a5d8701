"""What `make pi` does beside its server: submit the job, follow it, and clear it away."""

from __future__ import annotations

import os
import shlex
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

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
from sparkanywhere.cli.terminal import began_at
from sparkanywhere.client.access import LAPTOP, Target, where
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.jobs.spark_rest import ui_port
from sparkanywhere.jobs.spec import JobSpec
from sparkanywhere.jobs.submission import new_suffix, submit
from sparkanywhere.local.local_server import LocalServer
from sparkanywhere.local.stop_signals import uninterrupted
from sparkanywhere.spark.java_wrapper import QUICK
from sparkanywhere.spark.spark_submit import (
    SPARK_PI,
    Program,
    Submission,
    command,
    environment,
    find_program,
    in_containers,
)

JVM_BYTES = 400 * 1024 * 1024  # resident memory of a small driver or executor (measured: 240 to 400 MiB)


MOST_SHORT = 5_000  # partitions of SparkPi: up to there Java's slow compiler earns nothing, by docs/benchmarks.md


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


def run_pi(options: PiOptions, server: LocalServer) -> int:
    """Run the job on a server of its own; return the exit code of its driver.

    No pod is left running, however it ends. Raises click.ClickException (no Spark), JobFailed, NoSuchExample,
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
    conf = {**short_job(program), **conf}
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
    """Run the job once the server serves, and clear it away."""
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


def short_job(program: Program) -> dict[str, str]:
    """Return the settings by which the JVMs of a SparkPi that is known to be short do without Java's slow compiler."""
    if program.main_class != SPARK_PI or not all(each.isdecimal() and int(each) <= MOST_SHORT for each in program.args):
        return {}
    return {f"spark.{role}.defaultJavaOptions": QUICK for role in ("driver", "executor")}


def check_memory(instances: int, available_bytes: int) -> None:
    """Raise JobFailed if the driver and its executors would not fit into memory."""
    needed = (instances + 1) * JVM_BYTES
    if available_bytes < needed:
        raise JobFailed(
            f"A driver and {instances} executors need about {needed / 1e9:.1f} GB of memory and "
            f"{available_bytes / 1e9:.1f} GB is free: ask for fewer executors or free some."
        )
