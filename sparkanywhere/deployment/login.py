"""A context for a deployment, whose user is a credential plugin: no token is written down or put on a command line.

client.authentication.k8s.io/v1beta1 (kubernetes.io, "Client authentication", v1.36), which kubectl and every client of
Spark take. Spark's reads the plugin's standard error as part of its answer, so that a plugin that succeeds is silent.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from botocore.session import Session

from chalicelib.secret_value import SecretUnreadable, read_secret
from sparkanywhere.client.failure import Failure
from sparkanywhere.deployment.aws_errors import AWS_ERRORS, sentence
from sparkanywhere.deployment.record import DeploymentRecord

API_VERSION = "client.authentication.k8s.io/v1beta1"
TOKEN_LIFE = timedelta(minutes=5)  # as long as the control plane takes a token after another was drawn
PROFILE = "AWS_PROFILE"
FIRST_REGION = "us-east-1"  # as Terraform's variable
# What AWS answers with where it refuses to show the token.
GONE = ("ParameterNotFound", "ResourceNotFoundException")


class LoginFailed(Failure):
    """There is no such deployment, or AWS does not show it; str() is a sentence."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a deployment's API is, and the ARN of its administrator's token, "" where it has none."""

    url: str
    token_from: str


def default_region(session: Session, known: str = "") -> str:
    """Return the region of a deployment: the one that is known, else the profile's, else Terraform's default.

    Raises LoginFailed for one that AWS has not; botocore's BotoCoreError where the profile cannot be used.
    """
    found = known or session.get_config_variable("region") or os.environ.get("AWS_REGION") or FIRST_REGION
    partitions = session.get_available_partitions()
    regions = [name for each in partitions for name in session.get_available_regions("ecs", partition_name=each)]
    if found not in regions:
        close = {name: _letters_apart(found, name) for name in get_close_matches(found, regions, n=5)}
        best = " or ".join(sorted(name for name, apart in close.items() if apart == min(close.values())))
        hint = f": did you mean {best}?" if best else ", or this botocore is older than it."
        raise LoginFailed(f"AWS has no region {found}{hint}")
    return str(found)


def _letters_apart(one: str, other: str) -> int:
    """Return how many letters only one of two words has; none where some have only changed places."""
    return ((Counter(one) - Counter(other)) + (Counter(other) - Counter(one))).total()


def find_endpoint(deployment: str, region: str) -> Endpoint:
    """Return the endpoint of what is deployed, `region` "" being the default one. Raises LoginFailed."""
    try:
        session = Session()
        where = default_region(session, region)
        found = DeploymentRecord(session, deployment, where).read() or {"resources": []}
    except AWS_ERRORS as error:
        raise LoginFailed(sentence(error)) from error
    for each in found["resources"]:
        if each.get("rest_api_url"):
            return Endpoint(each["rest_api_url"].rstrip("/"), found.get("token_from", ""))
    raise LoginFailed(f"Nothing is deployed as {deployment} in {where}: --name, --stage and --region name another.")


def plugin_user(token_from: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the user of a kubeconfig who gets the token by the AWS credentials of whoever asks."""
    command = Path(sys.executable).with_name("sparkanywhere")
    words = [str(command)] if command.exists() else [sys.executable, "-P", "-m", "sparkanywhere"]
    plugin: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "command": words[0],
        "args": [*words[1:], "token", token_from],
        "interactiveMode": "Never",
        "provideClusterInfo": False,
    }
    if profile := environ.get(PROFILE):
        plugin["env"] = [{"name": PROFILE, "value": profile}]
    return {"exec": plugin}


def read_token(token_from: str) -> str:
    """Return the administrator's token. Raises LoginFailed."""

    def client(service: str, region: str) -> Any:  # Any: botocore makes its clients at run time
        return Session().create_client(service, region_name=region)

    try:
        return read_secret(token_from, client=client)
    except SecretUnreadable as error:
        cause = error.__cause__
        if not isinstance(cause, Exception):  # it was read, and is blank
            why = "`sparkanywhere deploy aws` or `terraform apply` makes another one once it is deleted."
        elif not isinstance(cause, ClientError):
            why = sentence(cause)
        elif error.code in GONE:
            why = "It is gone: `sparkanywhere deploy aws` or `terraform apply` makes another one."
        else:
            why = "These AWS credentials may not be allowed to read it."
        raise LoginFailed(f"{error}. {why}") from error


def exec_credential(token: str, now: datetime) -> dict[str, Any]:
    """Return what a credential plugin prints."""
    until = (now + TOKEN_LIFE).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": API_VERSION,
        "kind": "ExecCredential",
        "status": {"token": token, "expirationTimestamp": until},
    }
