"""Applications: drivers and their executors as the control plane's pods show them, and what they used.

A local job costs nothing; its figure says what the same pods would have cost on Fargate by the list price.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib.apimachinery.accessors import labels_of, phase_of, status_of
from chalicelib.apimachinery.rules.meta import age
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.causes.pod_cause import cause_of
from chalicelib.controllers.podmodel import usage as pod_usage
from chalicelib.controllers.podmodel.gone_pods import read_gone
from chalicelib.controllers.podmodel.usage import NOTHING, Usage
from chalicelib.providers.registry import reference_prices
from sparkanywhere.client.failure import Failure
from sparkanywhere.client.kube_client import ApiError, KubeClient

if TYPE_CHECKING:
    from sparkanywhere.jobs.spec import JobSpec

SELECTOR = "spark-app-selector"
APPLICATION_LABEL = "sparkanywhere.io/application"  # one for all attempts of an application
ROLE = "spark-role"


def usage(pods: Iterable[JSON], now: datetime) -> Usage:
    """Return the sum over all pods, those that still run up to `now`."""
    return pod_usage.usage(pods, reference_prices().rates, now)


def usage_of_gone(drivers: Iterable[JSON]) -> Usage:
    """Return what pods used that the control plane no longer keeps, as their drivers' pods say."""
    gone = [read_gone(driver) for driver in drivers]
    return sum((Usage(each.usage.vcpu_seconds, each.usage.gib_seconds, each.usd_on_fargate) for each in gone), NOTHING)


def usage_of_seen(pods: Mapping[str, JSON], gone: Collection[str], now: datetime) -> Usage:
    """Return what pods used that were watched, by name as last seen; `gone` are those that were deleted.

    Those may have been seen before the driver's pod records them, or missed while no watch was open: the
    larger of the two sums is right.
    """
    stored = [pod for name, pod in pods.items() if name not in gone]
    drivers = [pod for pod in pods.values() if labels_of(pod).get("spark-role") == "driver"]
    seen = usage((pods[name] for name in gone if name in pods), now)
    return usage(stored, now) + max(seen, usage_of_gone(drivers), key=lambda each: each.vcpu_seconds)


class NoSuchApplication(Failure):
    """No application has that name or id; str() says which there are."""


@dataclass(frozen=True, slots=True)
class Application:
    """One Spark application: its pods, driver apart; there is none for a client-mode job's executors."""

    id: str
    driver: JSON | None
    executors: tuple[JSON, ...]
    earlier: tuple[JSON, ...] = ()  # drivers of attempts before the last

    @property
    def pods(self) -> tuple[JSON, ...]:
        """Return its pods, the driver first."""
        return (*((self.driver,) if self.driver else ()), *self.executors)

    @property
    def name(self) -> str:
        """Return the name that its pods are labelled with."""
        return next((str(labels_of(pod).get("spark-app-name", "")) for pod in self.pods), "")

    @property
    def driver_name(self) -> str:
        """Return the driver pod's name, "" if it has none here."""
        return str(self.driver["metadata"]["name"]) if self.driver else ""

    @property
    def job_name(self) -> str:
        """Return the name of the Job that makes its driver, "" if it is not tried more than once."""
        owners = (self.driver or {"metadata": {}})["metadata"].get("ownerReferences") or ()
        return next((str(owner["name"]) for owner in owners if owner.get("kind") == "Job"), "")

    @property
    def state(self) -> str:
        """Return the driver's phase, Deleting while it goes, or Running for one in client mode."""
        if self.driver is None:
            return "Running"
        if self.driver["metadata"].get("deletionTimestamp"):
            return "Deleting"
        return str(status_of(self.driver).get("phase", "Pending"))

    @property
    def exit_code(self) -> int | None:
        """Return the exit code of the driver, None while it has none."""
        statuses = status_of(self.driver or {}).get("containerStatuses") or [{}]
        code = ((statuses[-1].get("state") or {}).get("terminated") or {}).get("exitCode")
        return None if code is None else int(code)

    @property
    def cause(self) -> str:
        """Return why it failed, in one sentence, "" if it has not or nobody knows (yet)."""
        return cause_of(self.driver or {})

    @property
    def running_executors(self) -> int:
        """Return how many executors run."""
        return sum(phase_of(each) == "Running" for each in self.executors)

    def age(self, now: datetime) -> str:
        """Return how long ago its first pod came, in kubectl's words."""
        return age(min(map(_created_at, self.pods), default=""), now)

    def usage(self, now: datetime) -> Usage:
        """Return what it has used so far, with what its drivers' pods say of those that are gone."""
        drivers = [*self.earlier, *([self.driver] if self.driver else [])]
        return usage([*drivers, *self.executors], now) + usage_of_gone(drivers)


def group(pods: Iterable[JSON]) -> list[Application]:
    """Return the applications that pods belong to, the youngest first."""
    drivers: dict[str, JSON] = {}  # the last attempt of each
    executors: dict[str, list[JSON]] = {}
    earlier: dict[str, list[JSON]] = {}
    for pod in pods:
        labels = labels_of(pod)
        app_id = labels.get(APPLICATION_LABEL) or labels.get(SELECTOR)
        if not app_id:
            continue
        executors.setdefault(app_id, [])
        if labels.get(ROLE) == "driver":
            before = drivers.get(app_id)
            drivers[app_id] = max(before or pod, pod, key=_created_at)
            if before is not None:
                earlier.setdefault(app_id, []).append(min(before, pod, key=_created_at))
        else:
            executors[app_id].append(pod)
    found = [
        Application(each, drivers.get(each), tuple(pods), tuple(earlier.get(each, ())))
        for each, pods in executors.items()
    ]
    return sorted(found, key=lambda each: next(map(_created_at, each.pods), ""), reverse=True)


def _created_at(pod: JSON) -> str:
    return str(pod["metadata"].get("creationTimestamp", ""))


def selector_of(spec: JobSpec, app_id: str) -> str:
    """Return the label selector of all pods of a submitted application."""
    return f"{APPLICATION_LABEL if spec.max_attempts > 1 else SELECTOR}={app_id}"


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


def root_path(client: KubeClient, namespace: str, application: Application) -> str:
    """Return what ends the application when it is deleted: the path of its driver's Job, else of its pod."""
    if find_job(client, namespace, application) is not None:
        return job_path(namespace, application.job_name)
    return f"/api/v1/namespaces/{namespace}/pods/{application.driver_name}"


def has_ended(client: KubeClient, namespace: str, application: Application) -> bool:
    """Return whether an application has ended for good: a driver that failed may be tried again."""
    if application.state != "Failed":
        return application.state == "Succeeded"
    job = find_job(client, namespace, application)
    return job is None or has_failed(job)


def has_failed(job: JSON) -> bool:
    """Return whether a Job makes no more pods and has not succeeded."""
    conditions = status_of(job).get("conditions") or ()
    return any(each.get("type") == "Failed" and each.get("status") == "True" for each in conditions)


def list_applications(client: KubeClient, namespace: str) -> list[Application]:
    """Return all applications of a namespace, of every one if it is ""."""
    path = f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods"
    return group(client.get(path, labelSelector=ROLE)["items"])


def find_application(client: KubeClient, namespace: str, wanted: str) -> Application:
    """Return the application by its id, its driver pod or its name (then the youngest).

    Raises NoSuchApplication.
    """
    applications = list_applications(client, namespace)
    for each in applications:
        if wanted in (each.id, each.driver_name, each.name, each.job_name):
            return each
    known = ", ".join(each.driver_name or each.id for each in applications[:5]) or "none"
    raise NoSuchApplication(f"No application {wanted!r} in namespace {namespace}; there are: {known}.")
