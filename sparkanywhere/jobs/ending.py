"""The end that a user makes of an application: its driver deleted, with the cause written onto it."""

from __future__ import annotations

import getpass
from contextlib import suppress

from chalicelib.resources.pods.marks import ENDED_BY
from sparkanywhere.client.kube_client import ApiError, ApiUnreachable, KubeClient
from sparkanywhere.jobs.applications import SELECTOR, Application
from sparkanywhere.jobs.driver_job import find_job, job_path


def user_name() -> str:
    """Return the caller's name, `spark` for one without."""
    with suppress(KeyError, OSError):
        return getpass.getuser()
    return "spark"


def mark_ended(client: KubeClient, namespace: str, driver: str, why: str) -> None:
    """Write onto a driver's pod why it is about to be deleted; one that is gone, or may not be changed, stays."""
    with suppress(ApiError, ApiUnreachable):
        change = {"metadata": {"annotations": {ENDED_BY: why}}}
        client.patch(f"/api/v1/namespaces/{namespace}/pods/{driver}", change)


def end_application(client: KubeClient, namespace: str, application: Application, *, by: str) -> None:
    """Delete an application's driver, or the Job that makes it, and all that it owns. Raises ApiError, ApiUnreachable.

    In client mode, where the driver is no pod, its executors; of warm tasks all that wait. `by` is with what, in words,
    for the cause.
    """
    if application.driver is None or application.is_warm:
        client.delete(f"/api/v1/namespaces/{namespace}/pods", labelSelector=f"{SELECTOR}={application.id}")
        return
    mark_ended(client, namespace, application.driver_name, f"killed by {user_name()} with {by}")
    path = f"/api/v1/namespaces/{namespace}/pods/{application.driver_name}"
    if find_job(client, namespace, application) is not None:
        path = job_path(namespace, application.job_name)
    try:
        client.delete(path, propagationPolicy="Background")
    except ApiError as error:
        if error.code != 404:  # it is gone already
            raise
