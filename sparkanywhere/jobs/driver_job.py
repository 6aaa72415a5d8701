"""The Job that makes an application's driver anew until it succeeds, where it may be tried more than once."""

from __future__ import annotations

from chalicelib.apimachinery.accessors import status_of
from chalicelib.apimachinery.types import JSON
from sparkanywhere.client.kube_client import ApiError, KubeClient
from sparkanywhere.jobs.applications import LIVE_STATES, Application


def find_job(client: KubeClient, namespace: str, application: Application) -> JSON | None:
    """Return the Job that makes an application's driver, None if there is none (any more)."""
    if not application.job_name:
        return None
    try:
        return client.get(job_path(namespace, application.job_name))
    except ApiError as error:
        if error.code != 404:
            raise
        return None


def job_path(namespace: str, name: str) -> str:
    """Return the path of a Job."""
    return f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}"


def has_ended(client: KubeClient, namespace: str, application: Application) -> bool:
    """Return whether an application has ended for good: a driver that failed may be tried again."""
    if application.state != "Failed":
        return application.state not in LIVE_STATES
    job = find_job(client, namespace, application)
    return job is None or has_failed(job)


def has_failed(job: JSON) -> bool:
    """Return whether a Job makes no more pods and has not succeeded."""
    conditions = status_of(job).get("conditions") or ()
    return any(each.get("type") == "Failed" and each.get("status") == "True" for each in conditions)
