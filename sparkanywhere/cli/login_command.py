"""`sparkanywhere login`, which writes the context of a deployment on AWS, and the credential plugin that it names."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from sparkanywhere.cli.target_options import errors_as_sentences
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.kubeconfig_file import set_context
from sparkanywhere.deployment.login import LoginFailed, exec_credential, find_endpoint, plugin_user, read_token
from sparkanywhere.deployment.project_folder import ProjectFolder, default_folder

NAME, STAGE = "sparkanywhere", "prod"


PLAIN = re.compile("[a-z][a-z0-9-]*")


def deployment_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that name a deployment, as Terraform's variables do."""
    command = click.option(
        "--region", default="", help="AWS region. Default: where it was deployed from here, the profile's, us-east-1."
    )(command)
    command = click.option("--stage", default=STAGE, callback=_plain, show_default=True, help="Terraform's stage.")(
        command
    )
    return click.option("--name", default=NAME, callback=_plain, show_default=True, help="Terraform's name.")(command)


def _plain(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Refuse what could be no part of a folder's name; Terraform says how long it may be, and which names are taken."""
    if not PLAIN.fullmatch(value):
        raise click.BadParameter("it takes lower-case letters, digits and dashes, and begins with a letter")
    return value


def context_of(name: str, stage: str) -> str:
    """Return what a deployment's context is called, unless its user names it."""
    return stage if name == NAME else f"{name}-{stage}"


@click.command(epilog="Examples: sparkanywhere login; sparkanywhere login --name team-b --region eu-west-1 --context b")
@deployment_options
@click.option("--context", default="", help="Name of the context. Default: the stage, or NAME-STAGE for another name.")
def login(*, name: str, stage: str, region: str, context: str) -> None:
    """Write a context for a deployment on AWS into your kubeconfig; its token is fetched by your AWS credentials."""
    with errors_as_sentences():
        deployment = f"{name}-{stage}"
        kept = ProjectFolder(default_folder(os.environ, deployment)).variables.get("region", "")
        write_context(deployment, region or kept, context or context_of(name, stage))


def write_context(deployment: str, region: str, context: str) -> str:
    """Write the context and say so; return its server. Raises LoginFailed and NoAccess."""
    endpoint = find_endpoint(deployment, region)
    if not endpoint.token_from:
        raise LoginFailed(f"{deployment} has no administrator's token, and {endpoint.url} takes IAM identities alone.")
    read_token(endpoint.token_from)  # better refused here than by the first kubectl
    user = plugin_user(endpoint.token_from, os.environ)
    file = set_context(os.environ, context, server=endpoint.url, user=user)
    echo(f"{file} has the context {context}, for {endpoint.url}")
    echo(f"Type next: sparkanywhere use {context}, or kubectl --context {context} get pods")
    return endpoint.url


@click.command()
@click.argument("arn")
def token(*, arn: str) -> None:
    """Print the administrator's token for a Kubernetes client: what `login` writes into a kubeconfig calls this."""
    with errors_as_sentences():
        echo(json.dumps(exec_credential(read_token(arn), datetime.now(UTC))))
