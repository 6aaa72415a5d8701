"""The submitter's AWS credentials, for jobs on this machine that read S3 or Glue: in a Secret, mounted as a file.

They are whatever boto3 finds here (profile, SSO, variables), resolved, in the format of the shared credentials file
(AWS SDKs and Tools Reference Guide, "Shared config and credentials files"). Pods on other machines have a role.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.cluster.shared_folders import shared_folders
from chalicelib.extras import lacking
from chalicelib.resources.configuration.secrets import DELETE_AT_END
from sparkanywhere.client.kube_client import ApiError, KubeClient
from sparkanywhere.client.loopback import is_loopback
from sparkanywhere.jars.table import jar_table
from sparkanywhere.jobs.capacity import provider_of_node
from sparkanywhere.jobs.jar_sets import wanted_sets
from sparkanywhere.jobs.job_files import FileFailed
from sparkanywhere.jobs.spec import JobSpec
from sparkanywhere.jobs.staging import Say

PATH = "/opt/sparkanywhere/aws"
# The second is what version 1 of the SDK for Java reads, which Spark 3.5 has.
PLACES = {
    "AWS_SHARED_CREDENTIALS_FILE": f"{PATH}/credentials",
    "AWS_CREDENTIAL_PROFILES_FILE": f"{PATH}/credentials",
    "AWS_CONFIG_FILE": f"{PATH}/config",
}
# Whoever says one of these has chosen another way.
CHOSEN_BY_ENV = ("AWS_ACCESS_KEY_ID", "AWS_SHARED_CREDENTIALS_FILE", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE")
CHOSEN_BY_CONF = ("spark.hadoop.fs.s3a.access.key", "spark.hadoop.fs.s3a.aws.credentials.provider")
OF_THE_MACHINE = ("iam-role", "container-role")  # how boto3 calls those that pods get themselves, and can renew


def with_credentials(
    client: KubeClient, spec: JobSpec, *, name: str, say: Say
) -> tuple[JobSpec, list[tuple[str, JSON]]]:
    """Return the job with the caller's credentials, and the Secret `name` for its driver to own; or the job as it is.

    Raises FileFailed where there are credentials that cannot be had, such as those of a session that has ended.
    """
    if not jar_table().uses_aws(wanted_sets(spec)) or _has_chosen(spec) or not _is_here(client, say):
        return spec, []
    if words := lacking("aws"):
        say(f"Your AWS credentials do not go along: {words}")
        return spec, []
    files, profile = _files()
    if not files:
        if not profile:
            say("There are no AWS credentials here that could go along: `aws configure` makes them.")
        return spec, []
    say(f"Your AWS credentials ({profile}) go along, in a Secret that is deleted when the job has ended")
    entries = {key: base64.b64encode(text.encode()).decode() for key, text in files.items()}
    metadata = {"name": name, "annotations": {DELETE_AT_END: "true"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": entries}
    changed = replace(spec, secrets={**spec.secrets, name: PATH}, env={**PLACES, **spec.env})
    return changed, [("secrets", {**secret, "immutable": True})]


def _has_chosen(spec: JobSpec) -> bool:
    named: Mapping[str, str] = {**spec.env, **spec.secret_env}
    return any(key in named for key in CHOSEN_BY_ENV) or any(key in spec.conf for key in CHOSEN_BY_CONF)


def _is_here(client: KubeClient, say: Say) -> bool:
    """Return whether pods run on this machine: they have no role of their own, and what they are told stays here."""
    try:
        nodes: list[JSON] = client.get("/api/v1/nodes")["items"]
    except ApiError:  # a user who may not list nodes
        return False
    if all(provider is None or provider.network == "remote" for provider in map(provider_of_node, nodes)):
        return False
    # Behind a URL of this machine there may be a tunnel, and behind its control plane another machine's engine.
    if is_loopback(client.host) and all(shared_folders(node) is not None for node in nodes):
        return True
    say("Your AWS credentials do not go along: nothing shows that control plane and pods are on this machine.")
    return False


def _files() -> tuple[dict[str, str], str]:
    """Return the files that hold the caller's credentials, none where there are none, and whose they are in words."""
    import boto3  # an extra
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        session = boto3.Session()
        found = session.get_credentials()
        if found is None:
            return {}, ""
        if found.method in OF_THE_MACHINE:
            return {}, "the machine's role"
        frozen = found.get_frozen_credentials()
    except (BotoCoreError, ClientError) as error:
        raise FileFailed(
            f"Your AWS credentials for --with cannot be had: {str(error).rstrip('.')}; log in again."
        ) from error
    lines = {
        "aws_access_key_id": frozen.access_key,
        "aws_secret_access_key": frozen.secret_key,
        "aws_session_token": frozen.token,
    }
    config = {"region": session.region_name}
    files = {"credentials": _ini(lines), "config": _ini(config)}
    return files, f"profile {session.profile_name}" if found.method != "env" else "of your environment"


def _ini(lines: Mapping[str, str | None]) -> str:
    return "[default]\n" + "".join(f"{key} = {text}\n" for key, text in lines.items() if text)
