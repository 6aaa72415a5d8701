"""The commands beside submit: ps, logs, describe, kill, wait, cost, ui. All by the Kubernetes API alone."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from textwrap import shorten

import click

from chalicelib.apimachinery.accessors import labels_of, status_of
from chalicelib.providers.registry import reference_prices
from sparkanywhere.cli.completion import applications
from sparkanywhere.cli.reach import show
from sparkanywhere.cli.target_options import (
    FAILURE,
    errors_as_sentences,
    fail,
    open_target,
    target_options,
    with_target,
)
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.access import NothingHere, Target
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.client.printable import one_line
from sparkanywhere.jobs.applications import NoSuchApplication, find_application, has_ended, list_applications, root_path
from sparkanywhere.jobs.failures import find_cause
from sparkanywhere.jobs.spark_properties import UI_PORT

WAIT_SECONDS = 1.0  # between two looks while waiting
CAUSE_CHARACTERS = 60  # of a cause in a table; describe has all of it
FOLLOW_SECONDS = 60.0  # of silence until a log is opened anew


OUTPUT = click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)


@click.command()
@OUTPUT
@target_options
def ps(*, context: str, namespace: str, output: str) -> None:
    """List applications: state, age, executors and cost so far."""
    now = datetime.now(UTC)
    with errors_as_sentences():
        try:
            target = open_target(context=context, namespace=namespace)
            found = list_applications(KubeClient(target.access), target.namespace)
        except NothingHere as nothing:  # where no server runs there are no applications either
            echo(str(nothing), err=True)
            found = []
    rows = [
        {
            "application": each.driver_name or each.id,
            "state": each.state,
            "executors": each.running_executors,
            "age": each.age(now),
            "usd_on_fargate": f"${each.usage(now).usd:.4f}",
            "cause": each.cause,
        }
        for each in found
    ]
    if output == "json":
        echo(json.dumps(rows))
        return
    titles = ("APPLICATION", "STATE", "EXECUTORS", "AGE", "ON FARGATE", "CAUSE")
    _print_table(
        titles, [[*map(str, [*row.values()][:-1]), shorten(str(row["cause"]), CAUSE_CHARACTERS)] for row in rows]
    )


def _print_table(titles: tuple[str, ...], rows: Sequence[Sequence[str]]) -> None:
    shown = [titles, *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@click.command()
@click.argument("application", shell_complete=applications)
@click.option("--follow", "-f", is_flag=True, help="Go on until it ends.")
@click.option("--executor", type=int, default=None, help="An executor's log, by its number.")
@with_target
def logs(client: KubeClient, target: Target, *, application: str, follow: bool, executor: int | None) -> None:
    """Print the driver's log, or an executor's."""
    found = find_application(client, target.namespace, application)
    pod = found.driver_name
    if executor is not None:
        names = {labels_of(each).get("spark-exec-id"): each["metadata"]["name"] for each in found.executors}
        if str(executor) not in names:
            raise NoSuchApplication(f"{pod} has no executor {executor} (any more).")
        pod = names[str(executor)]
    for line in client.raw_log(target.namespace, pod, follow_seconds=FOLLOW_SECONDS if follow else 0):
        if sys.stdout.isatty():
            echo(line.decode(errors="replace").rstrip("\r\n"))
        else:
            sys.stdout.buffer.write(line)  # a file or another program gets the log as it is
            sys.stdout.buffer.flush()


@click.command()
@click.argument("application", shell_complete=applications)
@with_target
def describe(client: KubeClient, target: Target, *, application: str) -> None:
    """Show an application, its pods and their events."""
    found, now = find_application(client, target.namespace, application), datetime.now(UTC)
    used = found.usage(now)
    echo(f"Application:  {one_line(found.name)} ({one_line(found.id)})")
    echo(f"State:        {one_line(found.state)}, {found.age(now)} old")
    if found.cause:
        echo(f"Cause:        {one_line(found.cause)}")
    echo(f"Used:         {used.vcpu_seconds:.0f} vCPU-s, {used.gib_seconds:.0f} GiB-s, ${used.usd:.4f} on Fargate")
    pods = {pod["metadata"]["name"]: status_of(pod) for pod in found.pods}
    rows = [[name, str(one.get("phase", "")), str(one.get("podIP", "-"))] for name, one in pods.items()]
    _print_table(("POD", "PHASE", "IP"), rows)
    for event in client.get(f"/api/v1/namespaces/{target.namespace}/events")["items"]:
        if (event.get("involvedObject") or {}).get("name") in pods:
            echo(one_line(f"{event.get('lastTimestamp')}  {event.get('reason')}: {event.get('message')}"))


@click.command()
@click.argument("application", shell_complete=applications)
@with_target
def kill(client: KubeClient, target: Target, *, application: str) -> None:
    """End an application: delete its driver, and everything that it owns."""
    found = find_application(client, target.namespace, application)
    if found.driver_name:
        client.delete(root_path(client, target.namespace, found), propagationPolicy="Background")
    else:
        base = f"/api/v1/namespaces/{target.namespace}/pods"
        client.delete(base, labelSelector=f"spark-app-selector={found.id}")
    echo(f"{found.driver_name or found.id} is being ended")


@click.command()
@click.argument("application", shell_complete=applications)
@click.option("--timeout", type=float, default=0, metavar="SECONDS", help="Give up after so long; 0: never.")
@with_target
def wait(client: KubeClient, target: Target, *, application: str, timeout: float) -> None:
    """Wait until an application has ended; the exit code is its driver's."""
    deadline = time.monotonic() + timeout
    while True:
        found = find_application(client, target.namespace, application)
        if has_ended(client, target.namespace, found):
            why = find_cause(client, found.driver) if found.driver else ""
            echo(f"{found.driver_name} {found.state}" + (f": {one_line(why)}" if why else ""))
            code = 0 if found.state == "Succeeded" else FAILURE
            sys.exit(code if found.exit_code is None else found.exit_code)
        if timeout and time.monotonic() > deadline:
            fail(f"{found.driver_name} has not ended within {timeout:g} s.")
        time.sleep(WAIT_SECONDS)


@click.command()
@click.argument("application", shell_complete=applications)
@with_target
def cost(client: KubeClient, target: Target, *, application: str) -> None:
    """Show resource usage and cost, at Fargate's list price."""
    used = find_application(client, target.namespace, application).usage(datetime.now(UTC))
    echo(f"{used.vcpu_seconds:.0f} vCPU-seconds, {used.gib_seconds:.0f} GiB-seconds: ${used.usd:.4f}")
    prices = reference_prices()
    least = f"{prices.rates.minimum_seconds:g} s of each pod at least"
    echo(f"by {prices.seller}'s list prices of {prices.date} in {prices.region}: {least}")


@click.command(
    epilog="Examples: sparkanywhere ui my_job; sparkanywhere ui my_job --open; sparkanywhere ui my_job --forward"
)
@click.argument("application", shell_complete=applications)
@click.option("--forward", is_flag=True, help="Forward a local port even where the pod answers directly.")
@click.option("--open", "opens", is_flag=True, help="Open it in a browser.")
@with_target
def ui(client: KubeClient, target: Target, *, application: str, forward: bool, opens: bool) -> None:
    """Print the URL of a running application's Spark UI; if needed, forward a port to it until Ctrl-C."""
    found = find_application(client, target.namespace, application)
    if found.driver is not None and found.state == "Running":
        show(target, found.driver, UI_PORT, opens=opens, forwards=forward)
        return
    why = f"its driver is {found.state}"
    if found.driver is None:
        why = "its driver is not a pod"
    elif found.state in ("Succeeded", "Failed"):
        why = "it has ended; `sparkanywhere history` shows its event log"
    fail(f"{found.driver_name or found.id} has no Spark UI: {why}.")
