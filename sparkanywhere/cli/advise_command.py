"""`sparkanywhere advise`: what a job's executors used, and which size would have done."""

from __future__ import annotations

import click

from sparkanywhere.cli.completion import applications
from sparkanywhere.cli.output import is_for_programs, output_option, print_records
from sparkanywhere.cli.target_options import with_target
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.access import Target
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.client.printable import one_line
from sparkanywhere.jobs.application_names import find_application
from sparkanywhere.jobs.spec import SpecError
from sparkanywhere.jobs.spec_problems import place_problem
from sparkanywhere.sizing.report import ASKED_BYTES, lines, record, report


@click.command(
    epilog="Examples: sparkanywhere advise my_job; sparkanywhere advise my_job --events s3a://bucket/event-logs"
)
@click.argument("application", shell_complete=applications)
@click.option("--events", default="", metavar="PLACE", help="Where event logs are: a URL or a folder; default: run's.")
@output_option()
@with_target
def advise(client: KubeClient, target: Target, *, application: str, events: str, output: str) -> None:
    """Say what a job's executors used, and which size of them would have done the same for less."""
    if problem := ":" in events and place_problem("--events", events):
        raise SpecError(problem)
    found = find_application(client, target.namespace, application)
    driver = found.driver or {"metadata": {}}
    ids = [each for each in (found.id, found.driver_name) if each]
    told = report(client, target, driver, ids=ids, place=events, most_bytes=ASKED_BYTES)
    if is_for_programs(output):
        print_records({"id": found.id, "driver": found.driver_name or None, **record(told)}, output)
        return
    for line in lines(told):
        echo(one_line(line))
