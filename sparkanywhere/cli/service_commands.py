"""`sparkanywhere history`: a server as a pod, reused if it already runs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import click

from chalicelib.apimachinery.accessors import labels_of
from chalicelib.apimachinery.types import JSON
from sparkanywhere.cli import reach
from sparkanywhere.cli.connect_server import up
from sparkanywhere.cli.job_options import pairs
from sparkanywhere.cli.target_options import with_lasting_target
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.access import Target
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.jobs import event_log, services
from sparkanywhere.jobs.capacity import check_events, find_provider
from sparkanywhere.jobs.jar_sets import sets_of_place
from sparkanywhere.jobs.job_fields import DEFAULT_SPARK
from sparkanywhere.jobs.memory_size import parse_mib
from sparkanywhere.jobs.services import EVENTS, HISTORY, HISTORY_PORT, events_label, find_running, history_pod, stop_all
from sparkanywhere.jobs.spec import SpecError
from sparkanywhere.jobs.spec_problems import FOLDER, place_problem
from sparkanywhere.jobs.submission import new_suffix, submit
from sparkanywhere.jobs.working_folder import callers_folder


@click.command(
    epilog="Examples: sparkanywhere history; sparkanywhere history --open; sparkanywhere history --stop;"
    " sparkanywhere history --context prod --events s3://bucket/event-logs/default/"
)
@click.option(
    "--events",
    default="",
    metavar="URL",
    help="Where event logs are: s3://..., gs://..., a folder; default: what `run` leaves.",
)
@click.option("--spark", default=DEFAULT_SPARK, show_default=True, help="Version of Spark.")
@click.option("--image", default="", help="Container image; default: ours of the Spark version.")
@click.option("--memory", default="1g", show_default=True, help="Heap of the server.")
@click.option("--conf", multiple=True, metavar="KEY=VALUE", help="A setting, spark.history.*; repeatable.")
@click.option("--forward", is_flag=True, help="Forward a local port even where the pod answers directly.")
@click.option("--open", "opens", is_flag=True, help="Open it in a browser.")
@click.option("--only-start", is_flag=True, hidden=True)  # of the page at `/`, which finds it by itself
@click.option("--stop", is_flag=True, help="End it; the event logs stay.")
@with_lasting_target
def history(
    client: KubeClient, target: Target, *, stop: bool, opens: bool, forward: bool, only_start: bool, **options: Any
) -> None:
    """Run a Spark history server over the event logs of ended jobs, and print its URL.

    A server that already runs is reused.
    """
    if stop:
        names = stop_all(client, target.namespace, HISTORY)
        echo(f"{', '.join(names)} is being ended" if names else "None runs.")
        return
    pod = find_running(client, target.namespace, HISTORY)
    is_ours = pod is None
    if pod is None:
        pod = _start_history(client, target, options)
    elif options["events"] and labels_of(pod).get(EVENTS) != events_label(options["events"]):
        raise SpecError(
            f"{pod['metadata']['name']} runs, over other event logs than --events {options['events']}:"
            " `sparkanywhere history --stop` ends it first."
        )
    pod, _ = up(client, target, pod, HISTORY, is_ours=is_ours)
    if not only_start:
        reach.show(target, pod, HISTORY_PORT, opens=opens, forwards=forward)


def _start_history(client: KubeClient, target: Target, options: dict[str, Any]) -> JSON:
    conf, directory = pairs("--conf", options["conf"]), options["events"]
    if problem := directory and place_problem("--events", directory):
        raise SpecError(problem)
    try:
        parse_mib(options["memory"])
    except ValueError as error:
        raise SpecError(f"--memory: {error}.") from error
    if not directory and not event_log.has_claim(client, target.namespace):
        raise SpecError(
            "Pods of this control plane have no lasting place for event logs: --events s3://bucket/path says where"
            " they are."
        )
    if directory.startswith(FOLDER):
        check_events(client, target.namespace, directory, is_here=reach.is_here(target.access))
    spec = services.history_spec(
        directory, spark=options["spark"], image=options["image"], heap=options["memory"], conf=conf
    )
    stop_all(client, target.namespace, HISTORY)  # those that have ended
    if sets_of_place(directory):
        spec, say = replace(spec, namespace=target.namespace), partial(echo, err=True)
        return client.get(submit(client, spec, suffix=new_suffix(), folder=callers_folder(), say=say).path)
    provider = find_provider(client, target.namespace)
    made = history_pod(
        image=options["image"] or f"sparkanywhere/spark:{options['spark']}",
        directory=directory or event_log.DIRECTORY,
        heap=options["memory"],
        conf=conf,
        as_root=provider is not None and provider.network == "bridge",  # containers, whose drivers are of any user
    )
    return client.create(f"/api/v1/namespaces/{target.namespace}/pods", made)
