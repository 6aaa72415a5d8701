"""Why a job failed, in one sentence: what the control plane says of its driver, or of the Job that makes it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from chalicelib.apimachinery.accessors import labels_of, phase_of, status_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.causes.pod_cause import DRIVER, ROLE, cause_of
from sparkanywhere.client.kube_client import ApiError, ApiUnreachable, KubeClient
from sparkanywhere.jobs.spec import JobSpec

CAUSE_SECONDS = 10.0  # for the control plane to read the log; on AWS it comes late
LOOK_SECONDS = 0.1
OVER_TIME = "it ran longer than --time-limit {} allows"


def reason(client: KubeClient, spec: JobSpec, path: str, pods: Mapping[str, JSON]) -> str:
    """Return why the last driver failed, "" where nothing says so.

    `path` is that of the driver's pod or Job, `pods` are those last seen, by name.
    """
    drivers = [pod for pod in pods.values() if labels_of(pod).get(ROLE) == DRIVER]
    if not drivers:
        return ""
    if spec.time_limit and spec.max_attempts > 1:  # a Job has the time limit of all attempts
        with suppress(ApiError, ApiUnreachable):
            conditions = status_of(client.get(path)).get("conditions") or ()
            if any(each.get("reason") == "DeadlineExceeded" for each in conditions):
                return OVER_TIME.format(spec.time_limit)
    return find_cause(client, drivers[-1])


def find_cause(
    client: KubeClient,
    driver: JSON,
    *,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> str:
    """Return why a driver failed, "" if it has not or nobody says; one that has just failed is asked again."""
    metadata, give_up_at = driver["metadata"], monotonic() + CAUSE_SECONDS
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
    while phase_of(driver) == "Failed" and not cause_of(driver) and monotonic() < give_up_at:
        sleep(LOOK_SECONDS)
        try:
            driver = client.get(path)
        except (ApiError, ApiUnreachable):
            break
    return cause_of(driver)
