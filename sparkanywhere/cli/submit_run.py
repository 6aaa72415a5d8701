"""Run a job on any control plane, the user's own or one for this job alone: submit, follow and report."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from chalicelib.apimachinery.accessors import labels_of, spec_of
from chalicelib.apimachinery.types import JSON
from chalicelib.providers import registry
from chalicelib.providers.registry import reference_prices
from sparkanywhere.cli.job_progress import PHASES, JobProgress
from sparkanywhere.cli.job_run import JobFailed, JobRun
from sparkanywhere.cli.job_screen import JobScreen, our_console, print_result
from sparkanywhere.cli.output import is_for_programs, print_records
from sparkanywhere.cli.program_output import ProgramOutput
from sparkanywhere.cli.reach import page_link
from sparkanywhere.cli.spark_commands import built, fetched, installed
from sparkanywhere.cli.target_options import open_target, say_where
from sparkanywhere.cli.terminal import began_at, echo
from sparkanywhere.client.access import OWN_PLANE, NothingHere, Target
from sparkanywhere.client.failure import Failure
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.jobs.application_record import application_record, usage_record
from sparkanywhere.jobs.applications import ROLE, Application, group, selector_of
from sparkanywhere.jobs.driver_job import has_failed
from sparkanywhere.jobs.failures import reason
from sparkanywhere.jobs.own_plane import own_plane
from sparkanywhere.jobs.spark_rest import ui_port
from sparkanywhere.jobs.spec import JobSpec, SpecError
from sparkanywhere.jobs.submission import Submitted, new_suffix, submit
from sparkanywhere.jobs.usage import usage_of_seen
from sparkanywhere.jobs.user_python import check_python
from sparkanywhere.jobs.working_folder import callers_folder
from sparkanywhere.local.stop_signals import StoppedBySignal, signals_as_interrupt, uninterrupted
from sparkanywhere.sizing.memory_retry import MOST_ATTEMPTS, Spent, with_more_memory

FAILURE, USAGE = 1, 2
PACKAGES_FIRST = "its Python packages were installed first, and are kept for the next run"


@contextmanager
def local_plane(spec: JobSpec, *, provider: str | None, context: str, environ: Mapping[str, str]) -> Iterator[Target]:
    """Yield where to submit: what the rule of access.py says, else a control plane of the job's own.

    That one is started if `provider` is given, or if no server runs on this laptop, which is to be used.
    """
    if provider is None:
        try:
            found = open_target(context=context, namespace=spec.namespace, lasting=True)
        except NothingHere:
            pass
        else:
            yield found
            return
    provider = provider or registry.DEFAULT
    if registry.find(provider).image_engine is None:
        check_python(spec, environ)
    say_where(OWN_PLANE)
    if registry.find(provider).image_engine is None:
        installed(spec.spark)
    elif not spec.image:
        built(spec.spark)
    with own_plane(environ, provider=provider, namespace=spec.namespace) as target:
        yield target


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Where to run a job and how to show it: the options of `run` that are not the job's."""

    context: str
    provider: str | None
    detach: bool
    output: str
    verbose: bool


def run(spec: JobSpec, options: RunOptions) -> int:
    """Run the job; return the exit code. Errors are one sentence on stderr."""
    try:
        fetched(spec)
        if options.detach:
            target = open_target(context=options.context, namespace=spec.namespace, lasting=True)
            client, say = KubeClient(target.access), partial(echo, err=True)
            made = submit(client, spec, suffix=new_suffix(), folder=callers_folder(), say=say)
            if is_for_programs(options.output):
                about = {"id": made.id, "name": spec.app_name, "namespace": spec.namespace, "driver": made.name}
                print_records(about, options.output)
            else:
                echo(made.name)
            return 0
        with (
            signals_as_interrupt(),
            local_plane(spec, provider=options.provider, context=options.context, environ=os.environ) as target,
        ):
            code = _follow(spec, target, options)
    except Failure as error:
        echo(f"Error: {error}", err=True)
        return error.exit_code
    except StoppedBySignal as error:
        echo(f"The job was ended: {error}.", err=True)
        return error.exit_code
    return code


@dataclass(frozen=True, slots=True)
class Ran:
    """An attempt that has ended: `why` it failed, "" where it did not."""

    run: JobRun
    job: JobProgress
    why: str
    suffix: str


def _follow(spec: JobSpec, target: Target, options: RunOptions) -> int:
    """Run the job, anew with more memory as long as --auto-size has it; report, and return the exit code."""
    ran, option, began = None, "", began_at()
    for attempt in range(1, MOST_ATTEMPTS + 1):
        try:
            ran = _attempt(spec, target, options, began=began)
        except SpecError as error:  # so much is not to be had there
            if ran is None:
                raise
            echo(f"--auto-size ends here: {error}", err=True)
            break
        again = _again(spec, ran, time.monotonic() - began) if attempt < MOST_ATTEMPTS else None
        if again is None:
            break
        (spec, option), began = again, time.monotonic()
        echo(f"Error: {ran.why}", err=True)
        echo(f"--auto-size: attempt {attempt + 1} of {MOST_ATTEMPTS}, with {option}", err=True)
    assert ran is not None  # there is a first attempt
    _report(spec, target, ran, options)
    if option and ran.job.succeeded:
        echo(f"It took {option}: begin with that next time.", err=True)
    return ran.job.exit_code


def _again(spec: JobSpec, ran: Ran, seconds: float) -> tuple[JobSpec, str] | None:
    """Return the job with more memory and the option that says it, None where it is not to be tried again."""
    if not spec.auto_size or ran.job.succeeded or ran.job.stopped_with:
        return None
    node = str(spec_of(ran.job.driver_pod).get("nodeName", ""))
    provider, pods = registry.of_node(node), ran.run.last_pods
    used = usage_of_seen(pods, ran.run.gone_pods, datetime.now(UTC))
    spent = Spent(used.usd if any(map(_is_billed, pods.values())) else 0.0, seconds)
    return with_more_memory(spec, ran.why, spent, provider.sizes if provider else None)


def _attempt(spec: JobSpec, target: Target, options: RunOptions, *, began: float) -> Ran:
    client, suffix = KubeClient(target.access), new_suffix()
    advice = {"submit": PACKAGES_FIRST} if spec.requirements else {}
    job = JobProgress(instances=spec.executors, began_at=began, attempts=spec.max_attempts, advice=advice)
    job.end("control plane", time.monotonic())
    screen, takes = JobScreen(job, our_console()), not is_for_programs(options.output)
    run = JobRun(
        client,
        job,
        screen,
        submit_log=Path(os.devnull),
        output=ProgramOutput(screen.print_line, is_live=screen.is_live, takes_stdout=takes, verbose=options.verbose),
        ui_port=ui_port(spec.conf),
        ui_link=lambda pod, port: page_link(target, pod, port),
        namespace=spec.namespace,
        selector=selector_of(spec, f"spark-{suffix}"),
    )
    made, ended = list[Submitted](), ""

    def begin() -> None:
        made.append(submit(client, spec, suffix=suffix, say=screen.print_line, folder=callers_folder()))

    def gave_up() -> bool:
        return spec.max_attempts > 1 and bool(made) and has_failed(client.get(made[0].path))

    screen.start()
    try:
        run.follow(begin, gave_up)
    except (StoppedBySignal, JobFailed) as error:
        ended, job.stopped_with = str(error), error.exit_code
    finally:
        with uninterrupted():
            screen.stop()
            run.finish()
            failed = made and not ended and not job.succeeded
            why = reason(client, spec, made[0].path, run.last_pods) if failed else ended
            if made:
                run.delete(made[0].path, ended)
    return Ran(run, job, why, suffix)


def _size_advice(spec: JobSpec, target: Target, run: JobRun, *, suffix: str) -> list[str]:
    """Return what the event log says of the executors' size, nothing where it cannot be read or all is well."""
    from sparkanywhere.sizing.report import AFTER_RUN_BYTES, report  # not before the job has ended

    drivers = [pod for pod in run.last_pods.values() if labels_of(pod).get(ROLE) == "driver"]
    client = KubeClient(target.access)
    with suppress(Failure, OSError):
        for driver in drivers[-1:]:
            ids = (f"spark-{suffix}", driver["metadata"]["name"])
            return report(client, target, driver, ids=ids, conf=spec.conf, most_bytes=AFTER_RUN_BYTES).advice.sentences
    return []


def _report(spec: JobSpec, target: Target, ran: Ran, options: RunOptions) -> None:
    """Print the result: as a record on stdout if that is asked for."""
    run, job, why = ran.run, ran.job, ran.why
    now, prices = time.monotonic(), reference_prices()
    used = usage_of_seen(run.last_pods, run.gone_pods, datetime.now(UTC))
    size_advice = _size_advice(spec, target, run, suffix=ran.suffix) if job.succeeded else []
    if is_for_programs(options.output):
        app_id = f"spark-{ran.suffix}"
        found = {each.id: each for each in group(run.last_pods.values())}.get(app_id, Application(app_id, None, ()))
        record = {
            **application_record(found, datetime.now(UTC)),
            "name": spec.app_name,
            "namespace": spec.namespace,
            "cause": why or None,
            "exit_code": job.exit_code if job.succeeded or job.stopped_with else found.exit_code,
            "state": "Succeeded" if job.succeeded else "Failed",
            **usage_record(used.vcpu_seconds, used.gib_seconds, used.usd),
            "start_seconds": {phase: round(seconds, 3) for phase, seconds in job.start.items()},
            "start_advice": job.start_advice or None,
            "phase_seconds": {phase: round(job.seconds(phase, now), 3) for phase in PHASES},
            "prices_of": prices.date,
            "size_advice": size_advice,
        }
        print_records(record, options.output)
        return
    print_result(our_console(), job, now=now, with_tables=options.verbose)
    if spec.max_usd or any(_is_billed(pod) for pod in run.last_pods.values()):
        echo(f"used ${used.usd:.4f} by {prices.seller}'s list prices of {prices.date}", err=True)
    for sentence in size_advice:
        echo(sentence, err=True)
    if why:
        echo(f"Error: {why}", err=True)


def _is_billed(pod: JSON) -> bool:
    """Return whether a pod costs money, as far as can be known: where its provider is unknown it may."""
    node = str(spec_of(pod).get("nodeName", ""))
    provider = registry.of_node(node)
    return bool(node) and (provider is None or provider.price_list is not None)
