"""The commands about one application: describe, kill, wait, cost, ui. All by the Kubernetes API alone."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta

import click

from chalicelib.apimachinery.rules.meta import human_duration
from chalicelib.providers.registry import reference_prices
from sparkanywhere.cli.completion import applications
from sparkanywhere.cli.output import is_for_programs, local_time, output_option, print_records, print_table
from sparkanywhere.cli.reach import show
from sparkanywhere.cli.target_options import FAILURE, fail, with_target
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.access import Target
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.client.printable import one_line
from sparkanywhere.jobs.application_names import find_application
from sparkanywhere.jobs.application_record import application_record, event_records, pod_record, usage_record
from sparkanywhere.jobs.applications import LIVE_STATES, Application, list_applications
from sparkanywhere.jobs.driver_job import has_ended
from sparkanywhere.jobs.ending import end_application
from sparkanywhere.jobs.failures import find_cause
from sparkanywhere.jobs.spark_properties import UI_PORT
from sparkanywhere.jobs.spark_rest import SparkRest
from sparkanywhere.jobs.start_phases import start_words

WAIT_SECONDS = 1.0  # between two looks while waiting
KILL_SECONDS, KILL_LOOK_SECONDS = 45.0, 0.2  # beyond the grace that a pod has by default


@click.command()
@click.argument("application", shell_complete=applications)
@output_option()
@with_target
def describe(client: KubeClient, target: Target, *, application: str, output: str) -> None:
    """Show an application, its pods and their events."""
    found, now = find_application(client, target.namespace, application), datetime.now(UTC)
    pods = [pod_record(found, pod, now) for pod in found.pods]
    events = client.get(f"/api/v1/namespaces/{target.namespace}/events")["items"]
    happened = list(event_records(events, {str(pod["pod"]) for pod in pods}))
    record = application_record(found, now)
    if is_for_programs(output):
        print_records({**record, "pods": pods, "events": happened}, output)
        return
    used, took = found.usage(now), human_duration(timedelta(seconds=found.seconds(now)))
    code = "" if found.exit_code is None else f", exit code {found.exit_code}"
    echo(f"Application:  {one_line(found.name)} ({one_line(found.id)})")
    echo(f"State:        {one_line(found.state)}{code}")
    if found.cause:
        echo(f"Cause:        {one_line(found.cause)}")
    echo(f"Started:      {local_time(found.started_at)}")
    echo(f"Ended:        {local_time(found.ended_at)}, after {took}" if found.ended_at else f"Has taken:    {took}")
    if record["start_seconds"]:
        echo(f"Start:        {start_words(record['start_seconds'], record['start_advice'])}")
    where = f"on {reference_prices().seller}"
    echo(f"Used:         {used.vcpu_seconds:.0f} vCPU-s, {used.gib_seconds:.0f} GiB-s, ${used.usd:.4f} {where}")
    rows = [
        [pod["pod"], pod["state"] or "", pod["ip"] or "-", start_words(pod["start_seconds"], None), pod["cause"] or ""]
        for pod in pods
    ]
    print_table(("POD", "STATE", "IP", "START", "CAUSE"), rows)
    for event in happened:
        echo(one_line(f"{event['at']}  {event['pod']}  {event['reason']}: {event['message']}"))


def _need_server(target: Target, why: str) -> None:
    """Exit with a sentence where no server runs the application that is meant."""
    if not target.is_served:
        advice = "start one by `sparkanywhere serve`, or end all that runs by `sparkanywhere down`"
        fail(f"No server runs on this laptop, so {one_line(why)}: {advice}.")


@click.command()
@click.argument("names", metavar="APPLICATION...", nargs=-1, required=True, shell_complete=applications)
@output_option()
@with_target
def kill(client: KubeClient, target: Target, *, names: tuple[str, ...], output: str) -> None:
    """End applications: delete their drivers and all that these own. What they were and said stays for a day."""
    living, records = {}, []

    def tell(name: str, application: Application, words: str) -> None:
        record = application_record(application, datetime.now(UTC))
        records.append(record)
        if not is_for_programs(output):
            echo(f"{one_line(name)} {words}; cost ${record['usd_on_fargate']:.4f}")

    for name, found in [(name, find_application(client, target.namespace, name)) for name in names]:
        if has_ended(client, target.namespace, found):
            tell(name, found, f"had ended: {found.state}")
        else:
            _need_server(target, f"nobody can end {name}")
            living[found.id] = name, found
            end_application(client, target.namespace, found, by="`sparkanywhere kill`")
    deadline = time.monotonic() + KILL_SECONDS
    while living and time.monotonic() < deadline:
        time.sleep(KILL_LOOK_SECONDS)
        for each in list_applications(client, target.namespace):
            if each.id in living and each.state not in LIVE_STATES and each.is_gone:
                tell(living.pop(each.id)[0], each, "ended")
    for name, found in living.values():
        tell(name, found, "is being ended")
    if is_for_programs(output):
        print_records(records, output)


@click.command()
@click.argument("application", shell_complete=applications)
@click.option("--timeout", type=float, default=0, metavar="SECONDS", help="Give up after so long; 0: never.")
@output_option()
@with_target
def wait(client: KubeClient, target: Target, *, application: str, timeout: float, output: str) -> None:
    """Wait until an application has ended; the exit code is its driver's."""
    deadline = time.monotonic() + timeout
    while True:
        found = find_application(client, target.namespace, application)
        if has_ended(client, target.namespace, found):
            why = find_cause(client, found.driver) if found.driver else ""
            if is_for_programs(output):
                print_records({**application_record(found, datetime.now(UTC)), "cause": why or None}, output)
            else:
                echo(f"{found.driver_name} {found.state}" + (f": {one_line(why)}" if why else ""))
            code = 0 if found.state == "Succeeded" else FAILURE
            sys.exit(code if found.exit_code is None else found.exit_code)
        _need_server(target, f"nobody can tell when {application} ends")
        if timeout and time.monotonic() > deadline:
            fail(f"{found.driver_name} has not ended within {timeout:g} s.")
        time.sleep(WAIT_SECONDS)


@click.command()
@click.argument("application", shell_complete=applications)
@output_option()
@with_target
def cost(client: KubeClient, target: Target, *, application: str, output: str) -> None:
    """Show resource usage and cost, at Fargate's list price."""
    found, prices = find_application(client, target.namespace, application), reference_prices()
    used, minimum = found.usage(datetime.now(UTC)), prices.rates.minimum_seconds
    if is_for_programs(output):
        about = {"seller": prices.seller, "prices_of": prices.date, "region": prices.region, "minimum_seconds": minimum}
        about |= usage_record(used.vcpu_seconds, used.gib_seconds, used.usd)
        print_records({"id": found.id, "driver": found.driver_name or None, **about}, output)
        return
    echo(f"{used.vcpu_seconds:.0f} vCPU-seconds, {used.gib_seconds:.0f} GiB-seconds: ${used.usd:.4f}")
    least = f"{minimum:g} s of each pod at least"
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
        spark = SparkRest(client, found.driver, port=UI_PORT)
        spark.ask()  # where pods share an address, another driver may have the usual port
        show(target, found.driver, spark.port, opens=opens, forwards=forward)
        return
    why = f"its driver is {found.state}"
    if found.driver is None:
        why = "its driver is not a pod"
    elif found.state in ("Succeeded", "Failed"):
        why = "it has ended; `sparkanywhere history` shows its event log"
    fail(f"{found.driver_name or found.id} has no Spark UI: {why}.")
