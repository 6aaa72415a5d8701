"""`sparkanywhere submit`: run a job on any control plane, follow it, and say what came of it and what it took."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from sparkanywhere.jobs.spec import DEFAULT_SPARK, JobSpec, SpecError, from_document

FAILURE, USAGE, INTERRUPTED = 1, 2, 130
SEPARATOR = re.compile(r"\s*[=:\s]\s*")  # the first one ends the key, as in Java's Properties.load


@click.command(
    context_settings={"ignore_unknown_options": False},
    epilog="Examples: sparkanywhere submit my_job.py --arg 1 --executors 4; sparkanywhere submit job.yaml;"
    " sparkanywhere submit --class com.example.Main app.jar 1000; sparkanywhere submit my_job.py --context prod",
)
@click.argument("application")
@click.argument("arguments", nargs=-1)
@click.option("--arg", "more_arguments", multiple=True, help="An argument for the program; repeatable.")
@click.option("--class", "main_class", default="", help="Main class of a .jar.")
@click.option("--name", default="", help="Name of the application; default: its file's.")
@click.option("--executors", type=int, default=2, show_default=True, help="How many executors.")
@click.option("--executor-cores", type=int, default=1, show_default=True)
@click.option("--executor-memory", default="1g", show_default=True, help="Heap of an executor: 512m, 4g.")
@click.option("--driver-cores", type=int, default=1, show_default=True)
@click.option("--driver-memory", default="1g", show_default=True)
@click.option("--dynamic-allocation", is_flag=True, help="Let Spark grow and shrink up to --executors.")
@click.option("--conf", multiple=True, metavar="KEY=VALUE", help="A Spark setting; repeatable.")
@click.option("--properties-file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--py-files", default="", help="Python files and zips, separated by commas.")
@click.option("--files", default="", help="Files for the working directory, separated by commas.")
@click.option("--jars", default="", help="Jars, separated by commas.")
@click.option("--packages", default="", help="Maven coordinates, separated by commas; passed on to Spark.")
@click.option("--env", multiple=True, metavar="KEY=VALUE", help="An environment variable; repeatable.")
@click.option("--label", multiple=True, metavar="KEY=VALUE", help="A label of the driver; repeatable.")
@click.option("--image", default="", help="Container image; default: ours of the Spark version.")
@click.option("--spark", default=DEFAULT_SPARK, show_default=True, help="Version of Spark.")
@click.option("--service-account", default="")
@click.option("--spot", is_flag=True, help="Executors on interruptible capacity, where the provider has it.")
@click.option("--arch", type=click.Choice(["amd64", "arm64"]), default=None)
@click.option("--time-limit", type=int, default=0, metavar="SECONDS", help="End the job after so long.")
@click.option("--context", default="", help="A context of your kubeconfig.")
@click.option("--namespace", "-n", default="", help="Default: the context's.")
@click.option(
    "--provider", type=click.Choice(["process", "docker"]), default=None, help="Run it on this machine."
)
@click.option("--detach", is_flag=True, help="Return the application's id once it is submitted.")
@click.option("--keep", is_flag=True, help="Keep the driver pod when the job has ended.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--verbose", is_flag=True, help="Print every line of the driver's log.")
def submit(**options: Any) -> None:  # Any: click's values, each of its option's type
    """Run APPLICATION, a .py, a .jar or a job file (.yaml), with ARGUMENTS."""
    try:
        spec = _spec(options)
    except SpecError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(USAGE)
    sys.exit(_run(spec, options))


def _spec(options: dict[str, Any]) -> JobSpec:
    application = options["application"]
    if application.endswith((".yaml", ".yml")):
        return from_document(_job_file(Path(application)))
    conf = {**_properties(options["properties_file"]), **_pairs("--conf", options["conf"])}
    return JobSpec(
        application=application,
        args=(*options["arguments"], *options["more_arguments"]),
        main_class=options["main_class"],
        name=options["name"],
        namespace=options["namespace"] or "default",
        executors=options["executors"],
        executor_cores=options["executor_cores"],
        executor_memory=options["executor_memory"],
        driver_cores=options["driver_cores"],
        driver_memory=options["driver_memory"],
        dynamic_allocation=options["dynamic_allocation"],
        conf=conf,
        py_files=_list(options["py_files"]),
        files=_list(options["files"]),
        jars=_list(options["jars"]),
        packages=_list(options["packages"]),
        env=_pairs("--env", options["env"]),
        labels=_pairs("--label", options["label"]),
        image=options["image"],
        spark=options["spark"],
        service_account=options["service_account"],
        spot=options["spot"],
        arch=options["arch"] or "",
        time_limit=options["time_limit"],
    )


def _job_file(path: Path) -> Any:  # Any: parsed YAML
    import yaml  # lazy: --help needs none

    try:
        return yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise SpecError(f"{path} cannot be read: {error}") from error


def _list(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(",") if each.strip())


def _pairs(option: str, entries: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for entry in entries:
        key, equals, value = entry.partition("=")
        if not equals or not key:
            raise SpecError(f"{option} {shlex.quote(entry)} is not of the form key=value.")
        found[key] = value
    return found


def _properties(path: Path | None) -> dict[str, str]:
    """Return the settings of a Spark properties file: `key value` or `key=value`, # for comments."""
    if path is None:
        return {}
    found = {}
    for line in path.read_text().splitlines():
        text = line.strip()
        if text and not text.startswith(("#", "!")):
            key, *value = SEPARATOR.split(text, maxsplit=1)
            found[key] = "".join(value)
    return found


def _run(spec: JobSpec, options: dict[str, Any]) -> int:
    from sparkanywhere.job_run import JobFailed
    from sparkanywhere.jobs.access import NoAccess, find_target
    from sparkanywhere.jobs.local_plane import local_plane
    from sparkanywhere.kube_client import ApiError, ApiUnreachable
    from sparkanywhere.local_server import ServerFailed

    try:
        if options["detach"]:
            if options["provider"]:
                raise SpecError(
                    "--provider starts a control plane for this job alone: --detach would end both."
                )
            target = find_target(os.environ, context=options["context"], namespace=spec.namespace)
            return _detach(spec, target, options)
        with ExitStack() as stack:
            target = stack.enter_context(
                local_plane(
                    spec, provider=options["provider"], context=options["context"], environ=os.environ
                )
            )
            return _follow(spec, target, options)
    except (JobFailed, NoAccess, ApiError, ApiUnreachable, ServerFailed, SpecError) as error:
        click.echo(f"Error: {error}", err=True)
        return USAGE if isinstance(error, SpecError) else FAILURE
    except KeyboardInterrupt:
        click.echo("Interrupted; the job was ended.", err=True)
        return INTERRUPTED


def _detach(spec: JobSpec, target: Any, options: dict[str, Any]) -> int:  # Any: a Target, imported late
    from sparkanywhere.jobs.submission import new_suffix, submit
    from sparkanywhere.kube_client import KubeClient

    suffix = new_suffix()
    driver = submit(KubeClient(target.access), spec, suffix=suffix)
    told = {"id": f"spark-{suffix}", "driver": driver["metadata"]["name"], "namespace": spec.namespace}
    click.echo(json.dumps(told) if options["output"] == "json" else told["driver"])
    return 0


def _follow(spec: JobSpec, target: Any, options: dict[str, Any]) -> int:  # Any: a Target, imported late
    from rich.console import Console

    from sparkanywhere.job_progress import JobProgress
    from sparkanywhere.job_run import JobRun
    from sparkanywhere.job_screen import JobScreen, print_result
    from sparkanywhere.jobs.submission import new_suffix, submit
    from sparkanywhere.kube_client import KubeClient

    client, suffix = KubeClient(target.access), new_suffix()
    is_json = options["output"] == "json"
    console = Console(highlight=False, stderr=is_json)
    job = JobProgress(instances=spec.executors, began_at=time.monotonic())
    job.end("control plane", time.monotonic())
    screen = JobScreen(job, console)
    run = JobRun(
        client,
        job,
        screen,
        submit_log=Path(os.devnull),
        verbose=options["verbose"],
        namespace=spec.namespace,
        selector=f"spark-app-selector=spark-{suffix}",
    )
    drivers: list[str] = []

    def begin() -> None:
        drivers.append(submit(client, spec, suffix=suffix)["metadata"]["name"])

    screen.start()
    try:
        run.follow(begin)
    finally:
        screen.stop()
        run.finish()
        if drivers and not (options["keep"] and job.succeeded):
            run.delete_driver(drivers[0])
    if is_json:
        click.echo(json.dumps(_summary(job, run, spec, suffix)))
        return 0 if job.succeeded else FAILURE
    print_result(console, job, last_lines=run.last_lines, now=time.monotonic())
    console.print(_cost_line(run))
    return 0 if job.succeeded else FAILURE


def _cost_line(run: Any) -> str:  # Any: a JobRun, imported late
    from chalicelib.prices import prices
    from sparkanywhere.jobs.cost import usage

    used = usage(run.last_pods.values(), datetime.now(UTC))
    return (
        f"used {used.vcpu_seconds:.0f} vCPU-seconds and {used.gib_seconds:.0f} GiB-seconds;"
        f" on Fargate ${used.usd:.4f} by the list prices of {prices()['date']}"
    )


def _summary(job: Any, run: Any, spec: JobSpec, suffix: str) -> dict[str, Any]:  # Any: as above
    from chalicelib.prices import prices
    from sparkanywhere.job_progress import PHASES
    from sparkanywhere.jobs.cost import usage

    used = usage(run.last_pods.values(), datetime.now(UTC))
    now = time.monotonic()
    return {
        "id": f"spark-{suffix}",
        "name": spec.app_name,
        "result": "Succeeded" if job.succeeded else "Failed",
        "exit_code": job.driver.exit_code if job.driver else None,
        "phase_seconds": {phase: round(job.seconds(phase, now), 3) for phase in PHASES},
        "vcpu_seconds": round(used.vcpu_seconds, 1),
        "gib_seconds": round(used.gib_seconds, 1),
        "usd_on_fargate": round(used.usd, 6),
        "prices_of": prices()["date"],
    }
