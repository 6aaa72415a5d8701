"""`sparkanywhere history` and `sparkanywhere connect`: servers as pods, reused if they already run."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import click

from chalicelib.apimachinery.types import JSON
from sparkanywhere.cli import reach
from sparkanywhere.cli.job_options import job_options, pairs, spec_from, typed_options
from sparkanywhere.cli.spark_commands import fetched
from sparkanywhere.cli.target_options import errors_as_sentences, open_target, target_options, with_lasting_target
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.access import Target
from sparkanywhere.client.kube_client import ApiError, ApiUnreachable, KubeClient
from sparkanywhere.jobs import event_log, services
from sparkanywhere.jobs.capacity import find_provider
from sparkanywhere.jobs.jar_sets import sets_of_place
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
from sparkanywhere.jobs.spec import JobSpec, SpecError
from sparkanywhere.jobs.submission import new_suffix, submit
from sparkanywhere.jobs.working_folder import callers_folder
from sparkanywhere.local.stop_signals import signals_as_interrupt

TOKEN_BYTES = 24
MINUTE = 60.0
# Options of a job that a server does not have, and their values.
UNFIT = {"arguments": (), "args": (), "main_class": "", "max_attempts": 1}


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
        _stop(client, target, HISTORY)
        return
    pod = find_running(client, target.namespace, HISTORY)
    is_ours = pod is None
    if pod is None:
        pod = _start_history(client, target, options)
    pod, _ = _up(client, target, pod, HISTORY, is_ours=is_ours)
    if not only_start:
        reach.show(target, pod, HISTORY_PORT, opens=opens, forwards=forward)


def _start_history(client: KubeClient, target: Target, options: dict[str, Any]) -> JSON:
    conf, directory = pairs("--conf", options["conf"]), options["events"]
    try:
        parse_mib(options["memory"])
    except ValueError as error:
        raise SpecError(f"--memory: {error}.") from error
    if not directory and not event_log.has_claim(client, target.namespace):
        raise SpecError(
            "Pods of this control plane have no lasting place for event logs: --events s3://bucket/path says where"
            " they are."
        )
    stop_all(client, target.namespace, HISTORY)  # those that have ended
    if sets_of_place(directory):
        spec = services.history_spec(
            directory, spark=options["spark"], image=options["image"], heap=options["memory"], conf=conf
        )
        return _submit(client, replace(spec, namespace=target.namespace), suffix=new_suffix())
    provider = find_provider(client)
    made = history_pod(
        image=options["image"] or f"sparkanywhere/spark:{options['spark']}",
        directory=directory or event_log.DIRECTORY,
        heap=options["memory"],
        conf=conf,
        as_root=provider is not None and provider.network == "bridge",  # containers, whose drivers are of any user
    )
    return client.create(f"/api/v1/namespaces/{target.namespace}/pods", made)


@click.command(
    epilog="Examples: sparkanywhere connect --executors 4; export SPARK_REMOTE=$(sparkanywhere connect);"
    " sparkanywhere connect --with s3,iceberg --catalog glue --on prod; sparkanywhere connect --stop"
)
@click.option(
    "--idle", default=30.0, show_default=True, metavar="MINUTES", help="End after so long without use; 0: never."
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of this machine; 0: a free one.")
@job_options
@click.option("--stop", is_flag=True, help="End it.")
@click.option(
    "--until-eof", is_flag=True, help="End it when standard input ends, that of the program that called this."
)
@target_options
def connect(*, context: str, namespace: str, stop: bool, until_eof: bool, **options: Any) -> None:
    """Run a Spark Connect server as a driver pod, and print the URL for clients, token included.

    A server that already runs is reused. It ends by itself after --idle minutes without use.
    """
    with errors_as_sentences():
        if not until_eof:
            target = open_target(context=context, namespace=namespace, lasting=True)
            if stop:
                _stop(KubeClient(target.access), target, services.CONNECT)
            else:
                _connect(KubeClient(target.access), target, options, until_eof=False)
            return
        from sparkanywhere.cli.submit_run import local_plane  # what runs a job

        spec = _connect_job(options, namespace or "default")
        with local_plane(spec, provider=None, context=context, environ=os.environ) as target:
            _connect(KubeClient(target.access), target, options, until_eof=True)


def _connect(client: KubeClient, target: Target, options: dict[str, Any], *, until_eof: bool) -> None:
    driver = find_running(client, target.namespace, services.CONNECT)
    is_ours = driver is None
    if driver is None:
        driver = _start_connect(client, target, options)
    try:
        driver, line = _up(client, target, driver, services.CONNECT, is_ours=is_ours)
        with _address(client, target, driver, services.listening_port(line), options["port"]) as (url, is_forwarded):
            echo(url)
            if until_eof:
                reach.stay_until_eof(target, driver)
            elif is_forwarded:
                reach.stay(target, driver)
    finally:
        if until_eof and is_ours:
            with suppress(ApiError, ApiUnreachable):  # it has ended, or its control plane has
                client.delete(f"/api/v1/namespaces/{target.namespace}/pods/{driver['metadata']['name']}")


@contextmanager
def _address(
    client: KubeClient, target: Target, driver: JSON, port: int, local_port: int
) -> Iterator[tuple[str, bool]]:
    """Yield a Connect server's URL, and whether we forward it meanwhile."""
    secret = client.get(f"/api/v1/namespaces/{target.namespace}/secrets/{services.secret_of(driver)}")
    token = services.token_of(secret)
    if access := reach.port_access(driver, port):
        echo(access, err=True)
        yield services.connect_url(port=port, token=token), False
    elif services.is_on_loopback(driver):
        if not reach.is_here(target.access):
            raise ServiceFailed(f"{driver['metadata']['name']} listens to its own machine alone.")
        yield services.connect_url(port=port, token=token), False
    else:
        with reach.forward(target, driver, port, local_port=local_port) as forwarding:
            yield services.connect_url(port=forwarding.port, token=token), True


connect.params = [each for each in connect.params if each.name not in UNFIT]
next(each for each in connect.params if each.name == "name").help = "Name of the application."


def _connect_job(options: dict[str, Any], namespace: str) -> JobSpec:
    given = {**UNFIT, **options, "application": str(services.CONNECT_PROGRAM), "namespace": namespace}
    given["name"] = given["name"] or services.CONNECT_NAME
    return spec_from(given, [*typed_options(click.get_current_context()), "namespace", "name"])


def _start_connect(client: KubeClient, target: Target, options: dict[str, Any]) -> JSON:
    spec, suffix = _connect_job(options, target.namespace), new_suffix()
    fetched(spec)
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

    return _submit(client, spec, suffix=suffix, beside=[token])


def _submit(client: KubeClient, spec: JobSpec, *, suffix: str, beside: Sequence[tuple[str, JSON]] = ()) -> JSON:
    """Submit a server as a job; return its driver."""

    def say(line: str) -> None:
        echo(line, err=True)

    made = submit(client, spec, suffix=suffix, beside=beside, folder=callers_folder(), say=say)
    return client.get(made.path)


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
