"""Submitting a job through the API: its files, the driver, then what it owns; nothing is left if any of it fails."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chalicelib.apimachinery.types import JSON
from sparkanywhere.client.kube_client import ApiError, ApiUnreachable, KubeClient
from sparkanywhere.jobs import working_folder
from sparkanywhere.jobs.applications import selector_of
from sparkanywhere.jobs.aws_credentials import with_credentials
from sparkanywhere.jobs.capacity import check_capacity, check_shuffle
from sparkanywhere.jobs.ending import user_name
from sparkanywhere.jobs.event_log import logs_events, with_event_log
from sparkanywhere.jobs.jar_files import with_jars
from sparkanywhere.jobs.job_files import sort_files
from sparkanywhere.jobs.objects import Objects, build, main_place, owned_by, resource_name
from sparkanywhere.jobs.packages import with_packages
from sparkanywhere.jobs.requirements import with_requirements
from sparkanywhere.jobs.spec import JobSpec
from sparkanywhere.jobs.staging import Say, bring, nothing
from sparkanywhere.jobs.user_python import with_users_python
from sparkanywhere.jobs.working_folder import WorkingFolder

DRIVER_LOOKS, LOOK_SECONDS = 50, 0.1  # for a Job's first pod: a control plane that runs no pods makes none
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
    folder: str = "",
    alter: Callable[[Objects, JobSpec], Objects] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Submitted:
    """Bring the job's files, create its objects, and those `beside` for its driver to own; return what was made.

    `alter` has the last word on the objects.

    The program works in `folder`, an absolute path of this machine, where the driver's pod sees that.
    Raises SpecError, JarsFailed, FileFailed, ApiError or ApiUnreachable; then nothing of it is left, but for files that
    were uploaded, which the control plane removes in time.
    """
    check_capacity(client, spec, say=say)
    check_shuffle(client, spec)
    spec, here = _placed(client, spec, folder, say)
    spec, secrets = with_credentials(client, spec, name=f"{resource_name(spec, suffix)}-aws", say=say)
    needed_by = main_place(spec, suffix)
    fetched = bring(client, spec.namespace, sort_files(spec.named_files), needed_by=needed_by, say=say)
    made = build(spec, suffix=suffix, user=user_name(), fetched=fetched)
    if logs_events(client, spec):
        made = with_event_log(made, spec)
    if here:
        made = here.applied(made, spec)
    if alter:
        made = alter(made, spec)
    name = _create(client, made, (*beside, *secrets), namespace=spec.namespace, say=say)
    # The other commands look for the driver's pod, which a Job makes a moment later; not for long.
    for _ in range(DRIVER_LOOKS if spec.max_attempts > 1 else 0):
        query = {"labelSelector": selector_of(spec, f"spark-{suffix}")}
        if client.get(f"/api/v1/namespaces/{spec.namespace}/pods", **query)["items"]:
            break
        sleep(LOOK_SECONDS)
    return Submitted(f"spark-{suffix}", name, f"{made.collection}/{name}")


def _create(client: KubeClient, made: Objects, beside: Sequence[tuple[str, JSON]], *, namespace: str, say: Say) -> str:
    """Create a job's first object, then what it owns; return its name. Raises with nothing left of it."""
    stored = client.create(made.collection, made.main, warn=lambda text: say(f"Warning: {text}"))
    name = str(stored["metadata"]["name"])
    try:
        owner = {**made.main, "metadata": stored["metadata"]}
        for collection, obj in (*made.owned, *beside):
            client.create(f"/api/v1/namespaces/{namespace}/{collection}", owned_by(owner, obj))
    except (ApiError, ApiUnreachable, KeyboardInterrupt):
        client.delete(f"{made.collection}/{name}", gracePeriodSeconds="0", propagationPolicy="Background")
        raise
    return name


def _placed(client: KubeClient, spec: JobSpec, folder: str, say: Say) -> tuple[JobSpec, WorkingFolder | None]:
    """Return the job as the caller's machine and folder make it, and the folder if it works there.

    Raises SpecError, JarsFailed, FileFailed.
    """
    found = working_folder.find(client, folder) if folder else None
    is_local = found is not None and not found.shared.is_mounted
    if is_local:
        spec = with_users_python(spec, os.environ, say=say)
    spec = with_jars(spec, os.environ, is_local=is_local)
    spec = with_packages(spec, os.environ, is_local=is_local, say=say)
    spec = with_requirements(client, spec, os.environ, is_local=is_local, say=say)
    here = working_folder.fitting(found, spec, say=say) if folder else None
    return (here.placed(spec) if here else spec), here
