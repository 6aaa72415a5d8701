"""`sparkanywhere history` and `sparkanywhere connect`: servers as pods, reused if they already run."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import Any

import click

from chalicelib.apimachinery.types import JSON
from sparkanywhere.cli import reach
from sparkanywhere.cli.submit_options import job_options, pairs, spec_from, typed_options
from sparkanywhere.cli.target_options import with_lasting_target
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.access import Target
from sparkanywhere.client.kube_client import ApiError, ApiUnreachable, KubeClient
from sparkanywhere.jobs import event_log, services
from sparkanywhere.jobs.capacity import find_provider
from sparkanywhere.jobs.job_fields import DEFAULT_SPARK
from sparkanywhere.jobs.memory_size import parse_mib
from sparkanywhere.jobs.objects import resource_name
from sparkanywhere.jobs.services import (
    HISTORY,
    HISTORY_PORT,
    Service,
    ServiceFailed,
    find_running,
    history_pod,
    stop_all,
    wait_until_up,
)
from sparkanywhere.jobs.spec import SpecError
from sparkanywhere.jobs.submission import new_suffix, submit
from sparkanywhere.local.stop_signals import signals_as_interrupt

TOKEN_BYTES = 24
MINUTE = 60.0
# Options of a job that a server does not have, and their values.
UNFIT = {"arguments": (), "args": (), "main_class": "", "max_attempts": 1}


@click.command(
    epilog="Examples: sparkanywhere history; sparkanywhere history --open; sparkanywhere history --stop;"
    " sparkanywhere history --context prod --events s3a://bucket/events --image my/spark-with-s3a:4.3.0"
)
@click.option("--events", default="", metavar="URL", help="Where event logs are; default: what `submit` leaves.")
@click.option("--spark", default=DEFAULT_SPARK, show_default=True, help="Version of Spark.")
@click.option("--image", default="", help="Container image; default: ours of the Spark version.")
@click.option("--memory", default="1g", show_default=True, help="Heap of the server.")
@click.option("--conf", multiple=True, metavar="KEY=VALUE", help="A setting, spark.history.*; repeatable.")
@click.option("--forward", is_flag=True, help="Forward a local port even where the pod answers directly.")
@click.option("--open", "opens", is_flag=True, help="Open it in a browser.")
@click.option("--stop", is_flag=True, help="End it; the event logs stay.")
@with_lasting_target
def history(client: KubeClient, target: Target, *, stop: bool, opens: bool, forward: bool, **options: Any) -> None:
    """Run a Spark history server over the event logs of ended jobs, and print its URL.

    A server that already runs is reused.
    """
    if stop:
        _stop(client, target, HISTORY)
        return
    pod = find_running(client, target.namespace, HISTORY)
    is_ours = pod is None
    if pod is None:
        pod = _start_history(client, target, options)
    pod, _ = _up(client, target, pod, HISTORY, is_ours=is_ours)
    reach.show(target, pod, HISTORY_PORT, opens=opens, forwards=forward)


def _start_history(client: KubeClient, target: Target, options: dict[str, Any]) -> JSON:
    conf, directory = pairs("--conf", options["conf"]), options["events"]
    try:
        parse_mib(options["memory"])
    except ValueError as error:
        raise SpecError(f"--memory: {error}.") from error
    if not directory and not event_log.has_claim(client, target.namespace):
        raise SpecError(
            "Pods of this control plane have no lasting place for event logs: --events s3a://bucket/path says"
            " where they are. The image needs hadoop-aws then."
        )
    made = history_pod(
        image=options["image"] or f"sparkanywhere/spark:{options['spark']}",
        directory=directory or event_log.DIRECTORY,
        heap=options["memory"],
        conf=conf,
    )
    stop_all(client, target.namespace, HISTORY)  # those that have ended
    return client.create(f"/api/v1/namespaces/{target.namespace}/pods", made)


@click.command(
    epilog="Examples: sparkanywhere connect --executors 4; export SPARK_REMOTE=$(sparkanywhere connect);"
    " sparkanywhere connect --idle 120 --spot --context prod; sparkanywhere connect --stop"
)
@click.option(
    "--idle", default=30.0, show_default=True, metavar="MINUTES", help="End after so long without use; 0: never."
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of this machine; 0: a free one.")
@job_options
@click.option("--stop", is_flag=True, help="End it.")
@with_lasting_target
def connect(client: KubeClient, target: Target, *, stop: bool, **options: Any) -> None:
    """Run a Spark Connect server as a driver pod, and print the URL for clients, token included.

    A server that already runs is reused. It ends by itself after --idle minutes without use.
    """
    if stop:
        _stop(client, target, services.CONNECT)
        return
    driver = find_running(client, target.namespace, services.CONNECT)
    is_ours = driver is None
    if driver is None:
        driver = _start_connect(client, target, options)
    driver, line = _up(client, target, driver, services.CONNECT, is_ours=is_ours)
    secret = client.get(f"/api/v1/namespaces/{target.namespace}/secrets/{services.secret_of(driver)}")
    token, port = services.token_of(secret), services.listening_port(line)
    if access := reach.port_access(driver, port):
        echo(access, err=True)
        echo(services.connect_url(port=port, token=token))
    elif services.is_on_loopback(driver):
        if not reach.is_here(target.access):
            raise ServiceFailed(f"{driver['metadata']['name']} listens to its own machine alone.")
        echo(services.connect_url(port=port, token=token))
    else:
        with reach.forward(target, driver, port, local_port=options["port"]) as forwarding:
            echo(services.connect_url(port=forwarding.port, token=token))
            reach.stay(target, driver)


connect.params = [each for each in connect.params if each.name not in UNFIT]
next(each for each in connect.params if each.name == "name").help = "Name of the application."


def _start_connect(client: KubeClient, target: Target, options: dict[str, Any]) -> JSON:
    given = {**UNFIT, **options, "application": str(services.CONNECT_PROGRAM), "namespace": target.namespace}
    given["name"] = given["name"] or services.CONNECT_NAME
    typed = typed_options(click.get_current_context())
    spec, suffix = spec_from(given, [*typed, "namespace", "name"]), new_suffix()
    secret = f"{resource_name(spec, suffix)}-token"
    provider = find_provider(client)
    spec = services.connect_spec(
        spec,
        idle_seconds=options["idle"] * MINUTE,
        secret=secret,
        is_on_this_host=provider is not None and provider.network == "host" and reach.is_here(target.access),
        port=options["port"],
    )
    token = services.token_secret(secret, secrets.token_urlsafe(TOKEN_BYTES))
    return client.get(submit(client, spec, suffix=suffix, beside=[token]).path)


def _up(client: KubeClient, target: Target, pod: JSON, service: Service, *, is_ours: bool) -> tuple[JSON, str]:
    """Wait until a service's pod is up; return it and the line that said so. If it fails, ours is deleted."""
    name = pod["metadata"]["name"]
    echo(f"{'Starting' if is_ours else 'Found'} {name} ...", err=True)
    is_up = False
    try:
        with signals_as_interrupt():
            found = wait_until_up(client, pod, service)
        is_up = True
        return found
    finally:
        if is_ours and not is_up:
            with suppress(ApiError, ApiUnreachable):  # the first error is the one to report
                client.delete(f"/api/v1/namespaces/{target.namespace}/pods/{name}")


def _stop(client: KubeClient, target: Target, service: Service) -> None:
    names = stop_all(client, target.namespace, service)
    echo(f"{', '.join(names)} is being ended" if names else "None runs.")
