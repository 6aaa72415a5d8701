"""`sparkanywhere warm`: tasks that are there before a job comes, on a provider whose tasks start slowly."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from chalicelib.controllers.translation.executor_plan import UNFORESEEN
from chalicelib.providers.registry import reference_prices
from chalicelib.resources.pods.marks import MOST_PARKED, WARM, parse_warm
from sparkanywhere.cli.dry_run import dry_run
from sparkanywhere.cli.job_options import job_options, spec_from, typed_options
from sparkanywhere.cli.output import is_for_programs, output_option, print_records
from sparkanywhere.cli.target_options import errors_as_sentences, open_target, say_where, target_options
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.access import NothingHere, find_target, namespace_of
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.jobs.applications import list_applications
from sparkanywhere.jobs.capacity import check_warm
from sparkanywhere.jobs.ending import end_application
from sparkanywhere.jobs.estimate import estimate
from sparkanywhere.jobs.programs import placeholder
from sparkanywhere.jobs.spark_properties import properties
from sparkanywhere.jobs.spec import JobSpec, SpecError
from sparkanywhere.jobs.submission import new_suffix, submit

NAME = "warm"
A_PROGRAM = str(Path(placeholder.__file__))  # a file of this machine, as the program of most jobs: see job_files
# Options of a job that what runs nothing does not have, and their values.
UNFIT: dict[str, Any] = {"args": (), "max_attempts": 1, "max_usd": "", "keep_warm": "", "time_limit": 0, "name": ""}
UNFIT |= {"auto_size": False, "secrets": ()}  # executors with volumes of Secrets are not foretold
DYNAMIC = "spark.dynamicAllocation."  # by which a driver would ask for fewer at its start


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

    They are paid until a job takes them, or their time is over. Without APPLICATION they fit a Python program of this
    machine, with files of 0.3 MB at most in all. For others name APPLICATION and options as for `run`: for a jar,
    more files, --with, --requirements, s3:// files, and a program in the image or at a URL.
    """
    with errors_as_sentences():
        if stop:
            _stop(context, namespace, output)
            return
        spec = warm_spec(options, span, namespace or namespace_of(os.environ, context))
        try:
            target = find_target(os.environ, context=context, namespace=spec.namespace, lasting=True)
        except NothingHere:
            check_warm(None)
            raise
        client = KubeClient(target.access)
        check_warm(client)
        if options["dry_run"]:
            what = f"{1 + spec.executors} tasks would wait {span}"
            dry_run(spec, context=context, provider=None, output=output, what=what)
            return
        say_where(target.where)
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
    typed, application = typed_options(click.get_current_context()), options["application"] or A_PROGRAM
    given = {"arguments": (), **UNFIT, **options, "application": application, "namespace": namespace}
    if application.endswith(".jar") and not options["main_class"]:
        given["main_class"] = NAME  # which nobody runs
        typed.append("main_class")
    spec = spec_from(given, typed, namespace=namespace)
    if spec.executors > MOST_PARKED:
        raise SpecError(
            f"--executors {spec.executors}: the tasks of {MOST_PARKED} at most wait with one driver. Ask for as many,"
            " and for more by another `sparkanywhere warm`."
        )
    key = f"spark.kubernetes.driver.annotation.{WARM}"
    conf = {each: text for each, text in spec.conf.items() if not each.startswith(DYNAMIC)} | {key: span}
    made = replace(spec, name=NAME, max_attempts=1, time_limit=seconds, keep_warm="", max_usd="", conf=conf)
    made = replace(made, dynamic_allocation=False)
    unforeseen = next((each for each in properties(made, name="", app_id="") if each.startswith(UNFORESEEN)), "")
    if unforeseen:
        raise SpecError(f"{unforeseen}: executors that have it are not foretold, so no task can wait for them.")
    return made


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
        who = "1 task is" if count == 1 else f"{count} tasks are"
        echo(f"{who} being ended." if count else f"No task waits for a job in {target.namespace}.")
