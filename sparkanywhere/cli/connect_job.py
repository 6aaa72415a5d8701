"""The server of Spark Connect as the job that a command line describes."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import partial
from typing import Any

from chalicelib.apimachinery.types import JSON
from sparkanywhere.cli import reach
from sparkanywhere.cli.job_options import spec_from
from sparkanywhere.cli.spark_commands import fetched
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.access import Target
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.jobs import services
from sparkanywhere.jobs.capacity import find_provider
from sparkanywhere.jobs.objects import resource_name
from sparkanywhere.jobs.sail import sail_spec, without_jvm
from sparkanywhere.jobs.spec import JobSpec, SpecError
from sparkanywhere.jobs.submission import new_suffix, submit
from sparkanywhere.jobs.working_folder import callers_folder

TOKEN_BYTES = 24
MINUTE = 60.0
SPARK, SAIL = ENGINES = ("spark", "sail")
# Options of a job that a server does not have, and their values.
UNFIT = {"arguments": (), "args": (), "main_class": "", "max_attempts": 1, "auto_size": False}


def connect_job(options: dict[str, Any], typed: Sequence[str], namespace: str) -> JobSpec:
    """Return the job that the options describe; `typed` names those that were given. Raises SpecError."""
    given = {**UNFIT, **options, "application": str(services.CONNECT_PROGRAM), "namespace": namespace}
    given["name"] = given["name"] or services.CONNECT_NAME
    return spec_from(given, [*typed, "namespace", "name"])


def check_open_server(*, is_allowed: bool) -> None:
    """Warn of a server of Sail on a machine's own network. Raises SpecError where that is not allowed."""
    what = "Sail asks for no token: on local processes every user of the machine can run programs as you by its port."
    if not is_allowed:
        raise SpecError(f"{what} --engine spark asks for one; --any-local-user allows it.")
    echo(f"Warning: {what}", err=True)


def start_server(client: KubeClient, target: Target, options: dict[str, Any], typed: Sequence[str]) -> JSON:
    """Start a server; return its driver's pod. Raises SpecError and what submit() does."""
    spec, suffix = connect_job(options, typed, target.namespace), new_suffix()
    provider, idle_seconds = find_provider(client), options["idle"] * MINUTE
    is_here = provider is not None and provider.network == "host" and reach.is_here(target.access)
    run = partial(submit, client, suffix=suffix, folder=callers_folder(), say=partial(echo, err=True))
    if options["engine"] == SAIL:
        if provider is not None and provider.network == "host":
            check_open_server(is_allowed=options.get("any_local_user", False))
        made = run(sail_spec(spec, idle_seconds=idle_seconds, is_on_this_host=is_here), alter=without_jvm)
        return client.get(made.path)
    fetched(spec)
    secret = f"{resource_name(spec, suffix)}-token"
    spec = services.connect_spec(spec, idle_seconds=idle_seconds, secret=secret, is_on_this_host=is_here)
    token = services.token_secret(secret, secrets.token_urlsafe(TOKEN_BYTES))
    return client.get(run(spec, beside=[token]).path)
