"""`sparkanywhere logs`: what a driver or an executor has logged, and what it logs."""

from __future__ import annotations

import sys
from typing import Any

import click

from chalicelib.apimachinery.accessors import labels_of
from chalicelib.apimachinery.types import JSON
from sparkanywhere.cli.completion import applications
from sparkanywhere.cli.log_errors import error_lines
from sparkanywhere.cli.target_options import with_target
from sparkanywhere.cli.terminal import echo
from sparkanywhere.cli.time_span import TimeSpan
from sparkanywhere.client.access import Target
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.jobs.application_names import NoSuchApplication, find_application
from sparkanywhere.jobs.applications import Application
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
    """Print the driver's log, or an executor's, also after their end."""
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
    path = found.log_path(target.namespace, _pod(found, options["executor"], is_previous=options["previous"]))
    query = _query(options, asks_previous=options["previous"] and not found.earlier)
    log = client.raw_log(path, follow_seconds=FOLLOW_SECONDS if follow else 0, **query)
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


def _pod(application: Application, executor: int | None, *, is_previous: bool) -> JSON:
    """Return the pod whose log is meant. Raises NoSuchApplication."""
    if executor is None and application.driver is not None:
        return application.earlier[-1] if is_previous and application.earlier else application.driver
    numbered = {str(labels_of(each).get("spark-exec-id")): each for each in application.executors}
    if str(executor) not in numbered:
        which = "no driver that is a pod" if executor is None else f"no executor {executor}"
        known = ", ".join(sorted(numbered, key=lambda number: (len(number), number))) or "none"
        raise NoSuchApplication(f"{application.name or application.id} has {which}; its executors: {known}.")
    return numbered[str(executor)]


def _query(options: dict[str, Any], *, asks_previous: bool) -> dict[str, str]:
    """Return the options as Kubernetes' log has them (PodLogOptions)."""
    asked = {
        "tailLines": options["tail"],
        "sinceSeconds": None if options["since"] is None else max(1, options["since"]),
        "timestamps": "true" if options["timestamps"] else None,
        "previous": "true" if asks_previous else None,
    }
    return {name: str(value) for name, value in asked.items() if value is not None}
