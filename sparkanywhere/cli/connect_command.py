"""`sparkanywhere connect`: a Spark Connect server as a pod, and before it the gateway whose URL clients are given."""

from __future__ import annotations

import getpass
import ipaddress
import os
import re
import shlex
import socket
import sys
import time
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import click

from chalicelib.extras import lacking
from chalicelib.private_folder import locked
from sparkanywhere.cli.connect_job import ENGINES, SPARK, UNFIT, connect_job, start_server
from sparkanywhere.cli.connect_server import ConnectServer
from sparkanywhere.cli.job_options import job_options, typed_options
from sparkanywhere.cli.target_options import errors_as_sentences, open_target, target_options
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.access import Target
from sparkanywhere.client.kube_client import ApiError, ApiUnreachable, KubeClient
from sparkanywhere.connect.kept_gateway import ROOTS_VARIABLE, GatewayPlan, KeptGateway, certificate_files, roots_file
from sparkanywhere.connect.tokens import Issued, TokenReviews, account_of, issue
from sparkanywhere.jobs import services
from sparkanywhere.jobs.services import LOOPBACK, find_running, stop_all
from sparkanywhere.jobs.spec import SpecError
from sparkanywhere.local.stop_signals import signals_as_interrupt

HOUR = 3600
LONGEST_SECONDS = 24 * HOUR  # that our control planes give
PIECE_BYTES = 4096
ANY = ("0.0.0.0", "::")
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]+")


@click.command(
    epilog='Examples: eval "$(sparkanywhere connect --executors 4 --export)"; sparkanywhere connect --user ana'
    " --hours 8 --on prod; sparkanywhere connect --with s3,iceberg --catalog glue --on prod;"
    " sparkanywhere connect --bind 0.0.0.0 --host spark.example.com --port 15443; sparkanywhere connect --stop"
)
@click.option(
    "--idle",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    metavar="MINUTES",
    help="End after so long without use; 0: never.",
)
@click.option("--engine", type=click.Choice(ENGINES), default=SPARK, show_default=True, help="What serves the URL.")
@click.option("--any-local-user", is_flag=True, help="Let every user of the machine into --engine sail on processes.")
@click.option("--user", default="", help="Whose URL it is: each user has sessions of their own. Default: you.")
@click.option(
    "--hours", type=click.FloatRange(0.2, 24), default=12.0, show_default=True, help="How long the URL's token is good."
)
@click.option("--bind", default=LOOPBACK, show_default=True, metavar="ADDRESS", help="Where the gateway listens.")
@click.option("--host", default="", help="Name of this machine in the URL and the certificate; default: by --bind.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the gateway; 0: as before, or free.")
@click.option("--direct", is_flag=True, help="Go to the pod's own address, from a host in its network.")
@click.option("--export", is_flag=True, help="Print the lines that a shell evaluates, for PySpark.")
@job_options
@click.option("--stop", is_flag=True, help="End the server and the gateway.")
@click.option(
    "--until-eof", is_flag=True, help="End it when standard input ends, that of the program that called this."
)
@target_options
def connect(*, context: str, namespace: str, stop: bool, until_eof: bool, **options: Any) -> None:
    """Run a Spark Connect server as a driver pod, and print the URL for clients: with TLS, and a token that expires.

    A server that already runs is reused. It ends by itself after --idle minutes without use, and the next call of a
    client starts it again.
    """
    with errors_as_sentences():
        if words := "" if stop else lacking("connect"):
            raise SpecError(f"{words}.")
        _check_addresses(options)
        typed = typed_options(click.get_current_context())
        if until_eof:
            from sparkanywhere.cli.submit_run import local_plane  # what runs a job

            spec = connect_job(options, typed, namespace or "default")
            with local_plane(spec, provider=None, context=context, environ=os.environ) as target:
                _serve_until_eof(target, options, typed)
            return
        target = open_target(context=context, namespace=namespace, lasting=True)
        kept = KeptGateway.of(os.environ, target.context, target.namespace)
        if stop:
            had_gateway = kept.stop()  # first: a client that tries again would start the server anew
            names = stop_all(KubeClient(target.access), target.namespace, services.CONNECT)
            ended = [*names, *(["the gateway"] if had_gateway else [])]
            echo(f"{', '.join(ended)} is being ended" if ended else "None runs.")
            return
        _keep(kept, target, options, typed)


connect.params = [each for each in connect.params if each.name not in UNFIT]
next(each for each in connect.params if each.name == "name").help = "Name of the application."


def _keep(kept: KeptGateway, target: Target, options: dict[str, Any], typed: list[str]) -> None:
    """Have a server and a gateway that stays, and hand out a token."""
    connect_job(options, typed, target.namespace)  # better refused now
    seconds = round(options["hours"] * HOUR)
    # first, since a control plane that does not answer says so here
    token = issue(KubeClient(target.access), target.namespace, _account(options), seconds=seconds)
    with locked(kept.folder):
        gateway, is_ours = kept.find(), False
        if gateway is None:
            gateway, is_ours = kept.start(_plan(kept, target, options, typed)), True
        elif {"bind", "host", "port", "direct"} & {*typed}:
            raise SpecError("A gateway with an address of its own runs: sparkanywhere connect --stop ends it.")
        try:
            with closing(ConnectServer(lambda: target, partial(start_server, options=options, typed=typed))) as server:
                server.up()
        except BaseException:
            if is_ours:
                kept.stop()
            raise
        expires_at = max(gateway.expires_at, token.expires_at.timestamp())
        kept.write(replace(kept.read() or gateway, expires_at=expires_at))
    _tell(gateway.host, gateway.port, token, options)


def _check_addresses(options: dict[str, Any]) -> None:
    """Raise SpecError for what is no address, or no name of a machine."""
    try:
        ipaddress.ip_address(options["bind"])
    except ValueError as error:
        raise SpecError(f"--bind {options['bind']} is no IP address.") from error
    if options["host"] and not HOST.fullmatch(options["host"]):
        raise SpecError(f"--host {options['host']!r} is no name or address of a machine.")


def _account(options: dict[str, Any]) -> str:
    """Return the service account of the user that is meant. Raises SpecError."""
    user = options["user"]
    try:
        return account_of(user or getpass.getuser())
    except (ValueError, OSError, KeyError) as error:  # nobody is called so, or this user has no name here
        raise SpecError(f"--user: {error}.") from error


def _plan(kept: KeptGateway, target: Target, options: dict[str, Any], typed: list[str]) -> GatewayPlan:
    before, bind = kept.read(), options["bind"]
    host = options["host"] or ("localhost" if ipaddress.ip_address(bind).is_loopback else bind)
    if bind in ANY and not options["host"]:
        host = socket.getfqdn()
    return GatewayPlan(
        context=target.context,
        namespace=target.namespace,
        bind=bind,
        host=host,
        port=options["port"] or (before.port if before and before.bind == bind else 0),
        options=options,
        typed=typed,
        is_direct=options["direct"],
        expires_at=time.time() + HOUR,  # until there is a token
    )


def _serve_until_eof(target: Target, options: dict[str, Any], typed: list[str]) -> None:
    """Serve as long as the program that called this lasts, and take along a server that was not there before.

    Without TLS: it is on this machine, and gRPC asks whom to trust when it is loaded, which in a notebook was before.
    """
    from sparkanywhere.connect.gateway import Gateway  # lazy: an extra

    client, account = KubeClient(target.access), _account(options)
    is_ours = find_running(client, target.namespace, services.CONNECT) is None
    reviews = TokenReviews(lambda: client, target.namespace)
    start = partial(start_server, options=options, typed=typed)
    try:
        with (
            closing(ConnectServer(lambda: target, start)) as server,
            Gateway(reviews, server).serving(bind=LOOPBACK, port=0, certificate=b"") as port,
            signals_as_interrupt(),
        ):
            server.up()
            token = issue(client, target.namespace, account, seconds=LONGEST_SECONDS).token
            echo(services.connect_url(host="localhost", port=port, token=token, is_tls=False))
            while os.read(sys.stdin.fileno(), PIECE_BYTES):
                pass
    finally:
        if is_ours:
            with suppress(ApiError, ApiUnreachable):  # it has ended, or its control plane has
                stop_all(client, target.namespace, services.CONNECT)


def _tell(host: str, port: int, token: Issued, options: dict[str, Any]) -> None:
    """Print the URL, and how clients come to trust it: their lines on stdout are for a program."""
    files = certificate_files(os.environ, frozenset({host}))
    url = services.connect_url(host=host, port=port, token=token.token)
    roots = f"export {ROOTS_VARIABLE}={shlex.quote(str(roots_file(files)))}"
    if options["export"]:
        echo(f"export SPARK_REMOTE={shlex.quote(url)}\n{roots}")
        return
    echo(f"Good until {token.expires_at:%Y-%m-%d %H:%M} UTC. Its authority is {files.ca}; for PySpark:", err=True)
    echo(roots, err=True)
    echo(url)
