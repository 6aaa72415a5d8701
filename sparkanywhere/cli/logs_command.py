"""`sparkanywhere logs`: what a driver or an executor has logged, and what it logs."""

from __future__ import annotations

import sys
from typing import Any

import click

from chalicelib.apimachinery.accessors import labels_of
from sparkanywhere.cli.completion import applications
from sparkanywhere.cli.log_errors import error_lines
from sparkanywhere.cli.target_options import with_target
from sparkanywhere.cli.terminal import echo
from sparkanywhere.cli.time_span import TimeSpan
from sparkanywhere.client.access import Target
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.jobs.applications import Application, NoSuchApplication, find_application
from sparkanywhere.jobs.spec import SpecError

FOLLOW_SECONDS = 60.0  # of silence until a log is opened anew


@click.command(epilog="Examples: sparkanywhere logs etl -f --tail 20; sparkanywhere logs etl --executor 2 --since 10m")
@click.argument("application", shell_complete=applications)
@click.option("--follow", "-f", is_flag=True, help="Go on until it ends.")
@click.option("--tail", type=click.IntRange(0), metavar="LINES", help="Only so many of the last lines.")
@click.option("--since", type=TimeSpan(), metavar="TIME", help="Only what is younger: 90s, 10m, 1h30m.")
@click.option("--timestamps", is_flag=True, help="Put in front of each line when it was logged.")
@click.option("--previous", "-p", is_flag=True, help="That of the attempt before the last.")
@click.option("--executor", type=int, default=None, help="An executor's log, by its number.")
@click.option("--errors", is_flag=True, help="Errors and tracebacks alone, each once with how often it came.")
@with_target
def logs(client: KubeClient, target: Target, *, application: str, follow: bool, **options: Any) -> None:
    """Print the driver's log, or an executor's."""
    if options["errors"] and (follow or options["timestamps"]):
        raise SpecError("--errors tells what has been logged: leave out --follow and --timestamps.")
    try:
        found = find_application(client, target.namespace, application)
    except NoSuchApplication as error:
        if not target.namespace.isdecimal():
            raise
        lines = target.namespace
        raise SpecError(
            f"-n is --namespace, and there is nothing in {lines}: --tail {lines} prints so many lines."
        ) from error
    pod = _pod(found, options["executor"], is_previous=options["previous"])
    query = _query(options, asks_previous=options["previous"] and not found.earlier)
    log = client.raw_log(target.namespace, pod, follow_seconds=FOLLOW_SECONDS if follow else 0, **query)
    if options["errors"]:
        for told in error_lines(log, found.driver or {}):
            echo(told)
        return
    for line in log:
        if sys.stdout.isatty():
            echo(line.decode(errors="replace").rstrip("\r\n"))
        else:
            sys.stdout.buffer.write(line)  # a file or another program gets the log as it is
            sys.stdout.buffer.flush()


def _pod(application: Application, executor: int | None, *, is_previous: bool) -> str:
    """Return the name of the pod whose log is meant. Raises NoSuchApplication."""
    if executor is None:
        earlier = application.earlier if is_previous else ()
        return str(earlier[-1]["metadata"]["name"]) if earlier else application.driver_name
    names = {labels_of(each).get("spark-exec-id"): each["metadata"]["name"] for each in application.executors}
    if str(executor) not in names:
        raise NoSuchApplication(f"{application.driver_name} has no executor {executor} (any more).")
    return str(names[str(executor)])


def _query(options: dict[str, Any], *, asks_previous: bool) -> dict[str, str]:
    """Return the options as Kubernetes' log has them (PodLogOptions)."""
    asked = {
        "tailLines": options["tail"],
        "sinceSeconds": None if options["since"] is None else max(1, options["since"]),
        "timestamps": "true" if options["timestamps"] else None,
        "previous": "true" if asks_previous else None,
    }
    return {name: str(value) for name, value in asked.items() if value is not None}
