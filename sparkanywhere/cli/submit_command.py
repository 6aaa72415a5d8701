"""`sparkanywhere submit`: run a job on any control plane, follow it, and say what came of it and what it took."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from sparkanywhere.cli.submit_options import job_options, spec_from
from sparkanywhere.jobs.spec import JobSpec, SpecError
from sparkanywhere.local.provider_type import ProviderType

FAILURE, USAGE, INTERRUPTED = 1, 2, 130


@click.command(
    context_settings={"ignore_unknown_options": False},
    epilog="Examples: sparkanywhere submit my_job.py --arg 1 --executors 4; sparkanywhere submit job.yaml;"
    " sparkanywhere submit --class com.example.Main app.jar 1000; sparkanywhere submit my_job.py --context prod",
)
@click.argument("application")
@click.argument("arguments", nargs=-1)
@job_options
@click.option("--context", default="", help="A context of your kubeconfig.")
@click.option("--namespace", "-n", default="", help="Default: the context's.")
@click.option("--provider", type=ProviderType(launches=True), default=None, help="Run it on this machine.")
@click.option("--detach", is_flag=True, help="Return the application's id once it is submitted.")
@click.option("--keep", is_flag=True, help="Keep the driver pod when the job has ended.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--verbose", is_flag=True, help="Print every line of the driver's log.")
@click.pass_context
def submit(
    context: click.Context, /, **options: Any
) -> None:  # Any: click's values, each of its option's type
    """Run APPLICATION, a .py, a .jar or a job file (.yaml), with ARGUMENTS."""
    typed = [name for name in options if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    try:
        spec = spec_from(options, typed)
    except SpecError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(USAGE)
    sys.exit(_run(spec, options))


def _run(spec: JobSpec, options: dict[str, Any]) -> int:
    from sparkanywhere.cli.job_run import JobFailed
    from sparkanywhere.cli.local_plane import local_plane
    from sparkanywhere.client.access import NoAccess, find_target
    from sparkanywhere.client.kube_client import ApiError, ApiUnreachable
    from sparkanywhere.jobs.s3_objects import FileFailed
    from sparkanywhere.local.local_server import ServerFailed

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
    except (JobFailed, FileFailed, NoAccess, ApiError, ApiUnreachable, ServerFailed, SpecError) as error:
        click.echo(f"Error: {error}", err=True)
        return USAGE if isinstance(error, SpecError) else FAILURE
    except KeyboardInterrupt:
        click.echo("Interrupted; the job was ended.", err=True)
        return INTERRUPTED


def _detach(spec: JobSpec, target: Any, options: dict[str, Any]) -> int:  # Any: a Target, imported late
    from sparkanywhere.client.kube_client import KubeClient
    from sparkanywhere.jobs.submission import new_suffix, submit

    suffix = new_suffix()
    made = submit(KubeClient(target.access), spec, suffix=suffix)
    told = {"id": made.id, "driver": made.name, "namespace": spec.namespace}
    click.echo(json.dumps(told) if options["output"] == "json" else told["driver"])
    return 0


def _follow(spec: JobSpec, target: Any, options: dict[str, Any]) -> int:  # Any: a Target, imported late
    from rich.console import Console

    from sparkanywhere.cli.job_progress import JobProgress
    from sparkanywhere.cli.job_screen import JobScreen
    from sparkanywhere.client.kube_client import KubeClient
    from sparkanywhere.jobs.applications import has_failed
    from sparkanywhere.jobs.failures import reason
    from sparkanywhere.jobs.submission import Submitted, new_suffix, submit

    client, suffix = KubeClient(target.access), new_suffix()
    console = Console(highlight=False, stderr=options["output"] == "json")
    job = JobProgress(instances=spec.executors, began_at=time.monotonic(), attempts=spec.max_attempts)
    job.end("control plane", time.monotonic())
    screen = JobScreen(job, console)
    run = _job_run(client, job, screen, spec=spec, suffix=suffix, verbose=options["verbose"])
    made: list[Submitted] = []

    def begin() -> None:
        made.append(submit(client, spec, suffix=suffix, say=screen.print_line))

    def gave_up() -> bool:
        return spec.max_attempts > 1 and bool(made) and has_failed(client.get(made[0].path))

    screen.start()
    try:
        run.follow(begin, gave_up)
    finally:
        screen.stop()
        run.finish()
        why = ""
        if made and not job.succeeded:
            why = reason(client, spec, made[0].path, run.last_pods, run.last_lines)
        if made and not (options["keep"] and job.succeeded):
            run.delete(made[0].path)
    if options["output"] == "json":
        click.echo(json.dumps({**_summary(job, run, spec, suffix), **({"reason": why} if why else {})}))
    else:
        _print_end(console, job, run, why)
    return 0 if job.succeeded else FAILURE


def _job_run(
    client: Any, job: Any, screen: Any, *, spec: JobSpec, suffix: str, verbose: bool
) -> Any:  # Any: imported late, as above
    from sparkanywhere.cli.job_run import JobRun
    from sparkanywhere.jobs.applications import selector_of

    return JobRun(
        client,
        job,
        screen,
        submit_log=Path(os.devnull),
        verbose=verbose,
        namespace=spec.namespace,
        selector=selector_of(spec, f"spark-{suffix}"),
    )


def _print_end(console: Any, job: Any, run: Any, why: str) -> None:  # Any: imported late, as above
    from sparkanywhere.cli.job_screen import print_result

    print_result(console, job, last_lines=run.last_lines, now=time.monotonic())
    console.print(_cost_line(run))
    if why:
        click.echo(f"Error: {why}", err=True)


def _cost_line(run: Any) -> str:  # Any: a JobRun, imported late
    from chalicelib.providers.registry import reference_prices
    from sparkanywhere.jobs.cost import usage_of_seen

    used = usage_of_seen(run.last_pods, run.gone_pods, datetime.now(UTC))
    return (
        f"used {used.vcpu_seconds:.0f} vCPU-seconds and {used.gib_seconds:.0f} GiB-seconds;"
        f" on {reference_prices().seller} ${used.usd:.4f} by the list prices of {reference_prices().date}"
    )


def _summary(job: Any, run: Any, spec: JobSpec, suffix: str) -> dict[str, Any]:  # Any: as above
    from chalicelib.providers.registry import reference_prices
    from sparkanywhere.cli.job_progress import PHASES
    from sparkanywhere.jobs.cost import usage_of_seen

    used = usage_of_seen(run.last_pods, run.gone_pods, datetime.now(UTC))
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
        "prices_of": reference_prices().date,
    }
