"""`sparkanywhere warm`: tasks that are there before a job comes, on a provider whose tasks start slowly."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import Any

import click

from chalicelib.providers.registry import reference_prices
from chalicelib.resources.pods.marks import WARM, parse_warm
from sparkanywhere.cli.dry_run import dry_run
from sparkanywhere.cli.job_options import job_options, spec_from, typed_options
from sparkanywhere.cli.output import is_for_programs, output_option, print_records
from sparkanywhere.cli.target_options import errors_as_sentences, open_target, target_options
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.access import namespace_of
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.jobs.applications import list_applications
from sparkanywhere.jobs.ending import end_application
from sparkanywhere.jobs.estimate import estimate
from sparkanywhere.jobs.spec import JobSpec, SpecError
from sparkanywhere.jobs.submission import new_suffix, submit
from sparkanywhere.spark.spark_submit import IMAGE_HOME

NAME = "warm"
A_PROGRAM = f"local://{IMAGE_HOME}/examples/src/main/python/pi.py"  # it never runs: a Python job has other shapes
# Options of a job that what runs nothing does not have, and their values.
UNFIT: dict[str, Any] = {"args": (), "max_attempts": 1, "max_usd": "", "keep_warm": "", "time_limit": 0, "name": ""}


@click.command(
    epilog="Examples: sparkanywhere warm --executors 4 --for 30m --on prod; sparkanywhere warm --executors 4 etl.py"
    " --dry-run; sparkanywhere warm --stop"
)
@click.argument("application", type=click.Path(), required=False, default="")
@click.option("--for", "span", default="30m", show_default=True, metavar="TIME", help="So long: 2m to 24h.")
@job_options
@click.option("--stop", is_flag=True, help="End those that wait in the namespace.")
@click.option("--dry-run", is_flag=True, help="Say what would wait and at what price, and create nothing.")
@output_option()
@target_options
def warm(*, context: str, namespace: str, span: str, stop: bool, output: str, **options: Any) -> None:
    """Keep a driver's task and its executors' ready for the next job of the same shape.

    They are paid until a job takes them, or their time is over. A job of a jar, or with files, has another shape than
    one of a Python program: name it as for `run`.
    """
    with errors_as_sentences():
        if stop:
            _stop(context, namespace, output)
            return
        spec = warm_spec(options, span, namespace or namespace_of(os.environ, context))
        if options["dry_run"]:
            dry_run(spec, context=context, provider=None, output=output)
            return
        client = KubeClient(open_target(context=context, namespace=spec.namespace, lasting=True).access)
        made = submit(client, spec, suffix=new_suffix(), say=partial(echo, err=True))
    listed = reference_prices()
    found = estimate(spec, listed.rates)
    if is_for_programs(output):
        about = {"id": made.id, "driver": made.name, "tasks": 1 + spec.executors, "seconds": spec.time_limit}
        print_records({**about, "usd_per_hour": found.usd_per_hour, "usd_at_most": found.usd_at_most}, output)
        return
    price = f"${found.usd_per_hour:.4f} an hour on {listed.seller}, at most ${found.usd_at_most or 0.0:.4f}"
    echo(f"{1 + spec.executors} tasks start, and wait {span} for a job: {price}.")
    echo("`sparkanywhere warm --stop` ends them.", err=True)


warm.params = [each for each in warm.params if each.name not in UNFIT]


def warm_spec(options: dict[str, Any], span: str, namespace: str) -> JobSpec:
    """Return the job whose tasks are to wait. Raises SpecError."""
    try:
        seconds = parse_warm(span)
    except ValueError as error:
        raise SpecError(f"--for: {error}.") from None
    given = {"arguments": (), **UNFIT, **options, "application": options["application"] or A_PROGRAM}
    spec = spec_from(given, typed_options(click.get_current_context()), namespace=namespace)
    key = f"spark.kubernetes.driver.annotation.{WARM}"
    conf = {**spec.conf, key: span}
    return replace(spec, name=NAME, max_attempts=1, time_limit=seconds, keep_warm="", max_usd="", conf=conf)


def _stop(context: str, namespace: str, output: str) -> None:
    target = open_target(context=context, namespace=namespace, lasting=True)
    client = KubeClient(target.access)
    found = [each for each in list_applications(client, target.namespace) if each.state == "Warm"]
    for each in found:
        end_application(client, target.namespace, each, by="`sparkanywhere warm --stop`")
    if is_for_programs(output):
        print_records([{"id": each.id, "tasks": len(each.waiting)} for each in found], output)
    else:
        count = sum(len(each.waiting) for each in found)
        echo(f"{count} tasks are being ended." if count else f"No task waits for a job in {target.namespace}.")
