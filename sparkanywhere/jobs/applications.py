"""Applications: drivers and their executors as the control plane's pods show them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from chalicelib.apimachinery.meta import age
from chalicelib.apimachinery.status import JSON
from sparkanywhere.jobs.cost import Usage, usage
from sparkanywhere.kube_client import KubeClient

SELECTOR = "spark-app-selector"
ROLE = "spark-role"


class NoSuchApplication(Exception):
    """No application has that name or id; str() says which there are."""


@dataclass(frozen=True, slots=True)
class Application:
    """One Spark application: its pods, driver apart; there is none for a client-mode job's executors."""

    id: str
    driver: JSON | None
    executors: tuple[JSON, ...]

    @property
    def name(self) -> str:
        """Return the name that its pods are labelled with."""
        pods = [self.driver] if self.driver else list(self.executors)
        labels = (pods[0]["metadata"].get("labels") or {}) if pods else {}
        return str(labels.get("spark-app-name", ""))

    @property
    def driver_name(self) -> str:
        """Return the driver pod's name, "" if it has none here."""
        return str(self.driver["metadata"]["name"]) if self.driver else ""

    @property
    def state(self) -> str:
        """Return the driver's phase, Deleting while it goes, or Running for one in client mode."""
        if self.driver is None:
            return "Running"
        if self.driver["metadata"].get("deletionTimestamp"):
            return "Deleting"
        return str((self.driver.get("status") or {}).get("phase", "Pending"))

    @property
    def running_executors(self) -> int:
        """Return how many executors run."""
        return sum((each.get("status") or {}).get("phase") == "Running" for each in self.executors)

    def age(self, now: datetime) -> str:
        """Return how long ago its first pod came, in kubectl's words."""
        pods = [*([self.driver] if self.driver else []), *self.executors]
        created = min((str(pod["metadata"].get("creationTimestamp", "")) for pod in pods), default="")
        return age(created, now)

    def usage(self, now: datetime) -> Usage:
        """Return what it has used so far, as far as its pods are still known."""
        return usage([*([self.driver] if self.driver else []), *self.executors], now)


def group(pods: Iterable[JSON]) -> list[Application]:
    """Return the applications that pods belong to, the youngest first."""
    drivers: dict[str, JSON] = {}
    executors: dict[str, list[JSON]] = {}
    for pod in pods:
        labels = pod["metadata"].get("labels") or {}
        app_id = labels.get(SELECTOR)
        if not app_id:
            continue
        executors.setdefault(app_id, [])
        if labels.get(ROLE) == "driver":
            drivers[app_id] = pod
        else:
            executors[app_id].append(pod)
    found = [Application(each, drivers.get(each), tuple(pods)) for each, pods in executors.items()]
    return sorted(found, key=_created, reverse=True)


def _created(application: Application) -> str:
    pods = [application.driver] if application.driver else list(application.executors)
    return str(pods[0]["metadata"].get("creationTimestamp", "")) if pods else ""


def list_applications(client: KubeClient, namespace: str) -> list[Application]:
    """Return all applications of a namespace."""
    return group(client.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector=ROLE)["items"])


def find_application(client: KubeClient, namespace: str, wanted: str) -> Application:
    """Return the application by its id, its driver pod or its name (then the youngest).

    Raises NoSuchApplication.
    """
    applications = list_applications(client, namespace)
    for each in applications:
        if wanted in (each.id, each.driver_name, each.name):
            return each
    known = ", ".join(each.driver_name or each.id for each in applications[:5]) or "none"
    raise NoSuchApplication(f"No application {wanted!r} in namespace {namespace}; there are: {known}.")
