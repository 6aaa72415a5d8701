"""Submitting a job through the API: its files, the driver, then what it owns; nothing is left if any of it fails."""

from __future__ import annotations

import getpass
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.apimachinery.status import JSON
from sparkanywhere.jobs.capacity import check_capacity
from sparkanywhere.jobs.event_log import logs_events, with_event_log
from sparkanywhere.jobs.job_files import sort_files
from sparkanywhere.jobs.objects import Objects, build, owned_by
from sparkanywhere.jobs.spec import JobSpec
from sparkanywhere.jobs.staging import Say, bring, nothing
from sparkanywhere.kube_client import ApiError, ApiUnreachable, KubeClient

SUFFIX_BYTES = 5  # ten hexadecimal digits in every name of the application


@dataclass(frozen=True, slots=True)
class Submitted:
    """What a submission has made: `path` is what to delete in order to end it all."""

    id: str
    name: str  # of the driver's pod, or of the Job that makes it
    path: str


def new_suffix() -> str:
    """Return what makes an application's names unlike all others."""
    return secrets.token_hex(SUFFIX_BYTES)


def submit(
    client: KubeClient,
    spec: JobSpec,
    *,
    suffix: str,
    say: Say = nothing,
    beside: Sequence[tuple[str, JSON]] = (),
) -> Submitted:
    """Bring the job's files, create its objects, and those `beside` for its driver to own; return what was made.

    Raises SpecError, FileFailed, ApiError or ApiUnreachable; then nothing of it is left, but for files that were
    uploaded, which the control plane removes in time.
    """
    check_capacity(client, spec)
    fetched = bring(client, spec.namespace, sort_files(spec.named_files), say=say)
    made = build(spec, suffix=suffix, user=_user(), fetched=fetched)
    made = replace(made, owned=(*made.owned, *beside))
    if logs_events(client, spec):
        made = with_event_log(made)
    stored = client.create(made.collection, made.main)
    path = f"{made.collection}/{stored['metadata']['name']}"
    try:
        _create_owned(client, spec.namespace, made, {**made.main, "metadata": stored["metadata"]})
    except (ApiError, ApiUnreachable):
        client.delete(path, gracePeriodSeconds="0", propagationPolicy="Background")
        raise
    return Submitted(f"spark-{suffix}", str(stored["metadata"]["name"]), path)


def _create_owned(client: KubeClient, namespace: str, made: Objects, owner: dict[str, object]) -> None:
    for collection, obj in made.owned:
        client.create(f"/api/v1/namespaces/{namespace}/{collection}", owned_by(owner, obj))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "spark"
