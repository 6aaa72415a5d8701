"""The commands beside submit: ps, logs, describe, kill, wait, cost, contexts, ui. All by the Kubernetes API alone."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from chalicelib.apimachinery.accessors import labels_of, status_of

if TYPE_CHECKING:
    from sparkanywhere.client.access import Target
    from sparkanywhere.client.kube_client import KubeClient
    from sparkanywhere.jobs.applications import Application

FAILURE = 1
WAIT_SECONDS = 1.0  # between two looks while waiting
FOLLOW_SECONDS = 60.0  # of silence until a log is opened anew


def with_target(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options --context and --namespace, and its errors as one sentence."""

    @click.option("--context", default="", help="A context of your kubeconfig.")
    @click.option("--namespace", "-n", default="", help="Default: the context's.")
    @wraps(command)
    def wrapped(*, context: str, namespace: str, **options: Any) -> None:  # Any: click's values
        with _said():
            from sparkanywhere.client.access import find_target
            from sparkanywhere.client.kube_client import KubeClient

            target = find_target(os.environ, context=context, namespace=namespace)
            command(KubeClient(target.access), target, **options)

    return wrapped


@contextmanager
def _said() -> Iterator[None]:
    from sparkanywhere.client.access import NoAccess
    from sparkanywhere.client.kube_client import ApiError, ApiUnreachable
    from sparkanywhere.jobs.applications import NoSuchApplication

    try:
        yield
    except (NoAccess, NoSuchApplication, ApiError, ApiUnreachable) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(FAILURE)


OUTPUT = click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)


@click.command()
@OUTPUT
@with_target
def ps(client: KubeClient, target: Target, *, output: str) -> None:
    """List applications: state, age, executors and cost so far."""
    from sparkanywhere.jobs.applications import list_applications

    now = datetime.now(UTC)
    rows = [_row(each, now) for each in list_applications(client, target.namespace)]
    if output == "json":
        click.echo(json.dumps(rows))
        return
    _print_table(
        ("APPLICATION", "STATE", "EXECUTORS", "AGE", "ON FARGATE"),
        [list(map(str, row.values())) for row in rows],
    )


def _row(application: Application, now: datetime) -> dict[str, Any]:
    return {
        "application": application.driver_name or application.id,
        "state": application.state,
        "executors": application.running_executors,
        "age": application.age(now),
        "usd_on_fargate": f"${application.usage(now).usd:.4f}",
    }


def _print_table(titles: tuple[str, ...], rows: list[list[str]]) -> None:
    columns = list(zip(titles, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    for row in (titles, *rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@click.command()
@click.argument("application")
@click.option("--follow", "-f", is_flag=True, help="Go on until it ends.")
@click.option("--executor", type=int, default=None, help="An executor's log, by its number.")
@with_target
def logs(client: KubeClient, target: Target, *, application: str, follow: bool, executor: int | None) -> None:
    """Print the driver's log, or an executor's."""
    from sparkanywhere.jobs.applications import find_application

    found = find_application(client, target.namespace, application)
    pod = found.driver_name if executor is None else _executor(found, executor)
    if follow:
        for line in client.follow_log(target.namespace, pod, seconds=FOLLOW_SECONDS):
            click.echo(line)
        return
    click.echo(client.text(f"/api/v1/namespaces/{quote(target.namespace)}/pods/{quote(pod)}/log"), nl=False)


def _executor(application: Application, number: int) -> str:
    for pod in application.executors:
        if labels_of(pod).get("spark-exec-id") == str(number):
            return str(pod["metadata"]["name"])
    from sparkanywhere.jobs.applications import NoSuchApplication

    raise NoSuchApplication(f"{application.driver_name} has no executor {number} (any more).")


@click.command()
@click.argument("application")
@with_target
def describe(client: KubeClient, target: Target, *, application: str) -> None:
    """Say what an application is, what its pods do, and what happened to them."""
    from sparkanywhere.jobs.applications import find_application

    found, now = find_application(client, target.namespace, application), datetime.now(UTC)
    used = found.usage(now)
    click.echo(f"Application:  {found.name} ({found.id})")
    click.echo(f"State:        {found.state}, {found.age(now)} old")
    click.echo(
        f"Used:         {used.vcpu_seconds:.0f} vCPU-s, {used.gib_seconds:.0f} GiB-s, ${used.usd:.4f} on Fargate"
    )
    pods = [*([found.driver] if found.driver else []), *found.executors]
    _print_table(("POD", "PHASE", "IP"), [_pod_row(pod) for pod in pods])
    names = {pod["metadata"]["name"] for pod in pods}
    events = client.get(f"/api/v1/namespaces/{target.namespace}/events")["items"]
    for event in events:
        if (event.get("involvedObject") or {}).get("name") in names:
            click.echo(f"{event.get('lastTimestamp')}  {event.get('reason')}: {event.get('message')}")


def _pod_row(pod: dict[str, Any]) -> list[str]:
    status = status_of(pod)
    return [pod["metadata"]["name"], str(status.get("phase", "")), str(status.get("podIP", "-"))]


@click.command()
@click.argument("application")
@with_target
def kill(client: KubeClient, target: Target, *, application: str) -> None:
    """End an application: its driver is deleted, and all that it owns with it."""
    from sparkanywhere.jobs.applications import find_application, root_path

    found = find_application(client, target.namespace, application)
    if found.driver_name:
        client.delete(root_path(client, target.namespace, found), propagationPolicy="Background")
    else:
        base = f"/api/v1/namespaces/{target.namespace}/pods"
        client.delete(base, labelSelector=f"spark-app-selector={found.id}")
    click.echo(f"{found.driver_name or found.id} is being ended")


@click.command()
@click.argument("application")
@click.option("--timeout", type=float, default=0, metavar="SECONDS", help="Give up after so long; 0: never.")
@with_target
def wait(client: KubeClient, target: Target, *, application: str, timeout: float) -> None:
    """Wait until an application has ended; the exit code is its driver's."""
    from sparkanywhere.jobs.applications import find_application, has_ended

    deadline = time.monotonic() + timeout
    while True:
        found = find_application(client, target.namespace, application)
        if has_ended(client, target.namespace, found):
            click.echo(f"{found.driver_name} {found.state}")
            sys.exit(_exit_code(found))
        if timeout and time.monotonic() > deadline:
            click.echo(f"Error: {found.driver_name} has not ended within {timeout:g} s.", err=True)
            sys.exit(FAILURE)
        time.sleep(WAIT_SECONDS)


def _exit_code(application: Application) -> int:
    statuses = status_of(application.driver or {}).get("containerStatuses") or [{}]
    code = ((statuses[-1].get("state") or {}).get("terminated") or {}).get("exitCode")
    return int(code) if code is not None else (0 if application.state == "Succeeded" else FAILURE)


@click.command()
@click.argument("application")
@with_target
def cost(client: KubeClient, target: Target, *, application: str) -> None:
    """Say what an application has used, and what that costs on Fargate by list price."""
    from chalicelib.providers.registry import reference_prices
    from sparkanywhere.jobs.applications import find_application

    used = find_application(client, target.namespace, application).usage(datetime.now(UTC))
    click.echo(f"{used.vcpu_seconds:.0f} vCPU-seconds, {used.gib_seconds:.0f} GiB-seconds: ${used.usd:.4f}")
    prices = reference_prices()
    click.echo(f"by {prices.seller}'s list prices of {prices.date} in {prices.region}")


@click.command(
    epilog="Examples: sparkanywhere ui my_job; sparkanywhere ui my_job --open; sparkanywhere ui my_job --forward"
)
@click.argument("application")
@click.option("--forward", is_flag=True, help="Forward a local port even where the pod answers directly.")
@click.option("--open", "opens", is_flag=True, help="Open it in a browser.")
@with_target
def ui(client: KubeClient, target: Target, *, application: str, forward: bool, opens: bool) -> None:
    """Print where a running application's Spark UI is; where it takes forwarding, forward it until Ctrl-C."""
    from sparkanywhere.cli.reach import show
    from sparkanywhere.jobs.applications import find_application
    from sparkanywhere.jobs.spark_properties import UI_PORT

    found = find_application(client, target.namespace, application)
    if found.driver is None or found.state != "Running":
        name = found.driver_name or found.id
        click.echo(f"Error: {name} has no Spark UI: {_no_ui(found)}.", err=True)
        sys.exit(FAILURE)
    show(target, found.driver, UI_PORT, opens=opens, forwards=forward)


def _no_ui(application: Application) -> str:
    if application.driver is None:
        return "its driver is no pod"
    if application.state in ("Succeeded", "Failed"):
        return "it has ended; `sparkanywhere history` shows what it left"
    return f"its driver is {application.state}"


@click.command("contexts")
def contexts_command() -> None:
    """List the control planes that your kubeconfig knows; * is the current one."""
    with _said():
        from sparkanywhere.client.access import contexts, kubeconfig_path, load

        path = kubeconfig_path(os.environ)
        for name, server, is_current in contexts(load(path)):
            click.echo(f"{'*' if is_current else ' '} {name}  {server}")
        click.echo(f"from {path}", err=True)
