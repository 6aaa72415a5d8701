"""Applications: drivers and their executors, by their pods and by the records of those that are gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from chalicelib.apimachinery.accessors import (
    annotations_of,
    is_deleting,
    is_terminal,
    labels_of,
    owners_of,
    phase_of,
    status_of,
)
from chalicelib.apimachinery.rules.time import find_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.causes.pod_cause import cause_of, why_pending
from chalicelib.controllers.podmodel.container_status import finished_at
from chalicelib.controllers.podmodel.parked import is_parked
from chalicelib.controllers.podmodel.usage import NOTHING, Usage
from chalicelib.resources.pods.marks import WARM_USER
from chalicelib.resources.pods.podrecords import GROUP, RESOURCE, VERSION, state_of
from sparkanywhere.client.kube_client import ApiError, KubeClient, log_path
from sparkanywhere.jobs.usage import price_of_waiting, usage, usage_of_gone

if TYPE_CHECKING:
    from sparkanywhere.jobs.spec import JobSpec

LIVE_STATES = ("Pending", "Running", "Unknown", "Deleting", "Warm")
SELECTOR = "spark-app-selector"
APPLICATION_LABEL = "sparkanywhere.io/application"  # one for all attempts of an application
ROLE = "spark-role"


def records_path(namespace: str) -> str:
    """Return the path of the records of pods that are gone, in every namespace if it is ""."""
    inside = f"namespaces/{namespace}/" if namespace else ""
    return f"/apis/{GROUP}/{VERSION}/{inside}{RESOURCE}"


@dataclass(frozen=True, slots=True)
class Application:
    """One Spark application: its pods, driver apart; there is none for a client-mode job's executors.

    Pods that are gone are among them as they last were, and have their records in `records`, by uid.
    """

    id: str
    driver: JSON | None
    executors: tuple[JSON, ...]
    earlier: tuple[JSON, ...] = ()  # drivers of attempts before the last
    records: Mapping[str, JSON] = field(default_factory=dict)
    kept: tuple[JSON, ...] = ()  # pods that it has left to wait for the next job: it pays for them
    kept_by: str = ""  # of such pods: the application that has left them

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
    def plain_name(self) -> str:
        """Return what to call it: its name, or what else it has."""
        return self.name or self.driver_name or self.id

    @property
    def job_name(self) -> str:
        """Return the name of the Job that makes its driver, "" if it is not tried more than once."""
        owners = (self.driver or {"metadata": {}})["metadata"].get("ownerReferences") or ()
        return next((str(owner["name"]) for owner in owners if owner.get("kind") == "Job"), "")

    def record_of(self, pod: JSON) -> JSON | None:
        """Return the record of a pod that is gone, None for one that is there."""
        return self.records.get(pod["metadata"].get("uid", ""))

    def state_of(self, pod: JSON) -> str:
        """Return the state of one of its pods; of one that is gone, as it was known when it was removed."""
        record = self.record_of(pod)
        return str(record["state"]) if record else state_of(pod)

    @property
    def state(self) -> str:
        """Return the driver's phase, Deleting while it goes, Killed if it was deleted before its end.

        Of tasks that wait for a job Warm, and Ended once none does. In client mode, where the driver is no pod,
        Running, and Ended once no executor is there.
        """
        if self.is_warm:
            return "Warm" if self.waiting else "Ended"
        if self.driver is None:
            return "Running" if any(self.record_of(each) is None for each in self.executors) else "Ended"
        if self.record_of(self.driver) is None and self.driver["metadata"].get("deletionTimestamp"):
            return "Deleting"
        return self.state_of(self.driver)

    @property
    def is_warm(self) -> bool:
        """Return whether this is no job, but tasks that wait for one."""
        return any(WARM_USER in annotations_of(each) for each in self.pods)

    @property
    def waiting(self) -> tuple[JSON, ...]:
        """Return those pods that wait for a job."""
        stored = (each for each in self.pods if self.is_warm and self.record_of(each) is None)
        return tuple(each for each in stored if not is_terminal(each) and not is_deleting(each))

    @property
    def is_gone(self) -> bool:
        """Return whether none of its pods is there any more."""
        return all(self.record_of(each) for each in self.pods)

    def log_path(self, namespace: str, pod: JSON) -> str:
        """Return the path of a pod's log, that of its record where the pod is gone."""
        record = self.record_of(pod)
        if record is not None:
            return f"{records_path(namespace)}/{quote(record['metadata']['name'])}/log"
        return log_path(namespace, pod["metadata"]["name"])

    @property
    def started_at(self) -> datetime | None:
        """Return when its first pod was made."""
        return find_time(min(map(_created_at, (*self.earlier, *self.pods)), default=""))

    @property
    def ended_at(self) -> datetime | None:
        """Return when its driver ended, or in client mode its last executor; None while it has not."""
        if self.state in LIVE_STATES:
            return None
        ends = [self._end_of(each) for each in ([self.driver] if self.driver else self.executors)]
        return max((each for each in ends if each), default=None)

    def _end_of(self, pod: JSON) -> datetime | None:
        record = self.record_of(pod)
        return finished_at(pod) or find_time((record or {}).get("deletionTime"))

    def seconds(self, now: datetime) -> float:
        """Return how long it has taken, so far or in all."""
        started = self.started_at
        return max(0.0, ((self.ended_at or now) - started).total_seconds()) if started else 0.0

    @property
    def exit_code(self) -> int | None:
        """Return the exit code of the driver, None while it has none."""
        statuses = status_of(self.driver or {}).get("containerStatuses") or [{}]
        code = ((statuses[-1].get("state") or {}).get("terminated") or {}).get("exitCode")
        return None if code is None else int(code)

    @property
    def cause(self) -> str:
        """Return why it failed or does not start, in one sentence, "" if it does or nobody knows (yet).

        Of tasks that wait for a job until when, and at what price.
        """
        payer = f"paid by {self.kept_by}" if self.kept_by else ""
        if self.waiting:
            return ", ".join(filter(None, (price_of_waiting(self.waiting), payer)))
        driver = self.driver or {}
        return payer or cause_of(driver) or why_pending(driver)

    @property
    def running_executors(self) -> int:
        """Return how many executors run, or wait for a job."""
        if self.is_warm:
            return sum(each is not self.driver for each in self.waiting)
        return sum(phase_of(each) == "Running" and self.record_of(each) is None for each in self.executors)

    @property
    def shown_executors(self) -> int:
        """Return how many executors run, or have run of an application that has ended."""
        return (
            self.running_executors if self.state in LIVE_STATES else sum(not is_parked(each) for each in self.executors)
        )

    def usage(self, now: datetime) -> Usage:
        """Return what it has used so far, pods that are gone included.

        Of gone executors the driver's pod has a sum, which may lag behind, and there are records, which may have been
        dropped: the larger of the two is right, so that the figure never shrinks. What it has kept warm is its own, as
        in its budget, and is nothing of the application that waits.
        """
        if self.kept_by:
            return NOTHING
        drivers, others = [*self.earlier, *([self.driver] if self.driver else [])], (*self.executors, *self.kept)
        recorded = sum((self._usage_of(each, now) for each in others if self.record_of(each)), NOTHING)
        stored = (each for each in others if not self.record_of(each))
        used = sum((self._usage_of(each, now) for each in (*drivers, *stored)), NOTHING)
        return used + max(recorded, usage_of_gone(drivers), key=lambda each: each.vcpu_seconds)

    def last_seen(self, pod: JSON, now: datetime) -> datetime:
        """Return when a pod was removed, `now` for one that is there."""
        return find_time((self.record_of(pod) or {}).get("deletionTime")) or now

    def _usage_of(self, pod: JSON, now: datetime) -> Usage:
        return usage([pod], self.last_seen(pod, now))


def group(pods: Iterable[JSON], records: Iterable[JSON] = ()) -> list[Application]:
    """Return the applications that pods and records belong to, the youngest first."""
    gone = {record["pod"]["metadata"]["uid"]: record for record in records}
    stored = [pod for pod in pods if pod["metadata"].get("uid") not in gone]
    drivers: dict[str, JSON] = {}  # the last attempt of each
    executors: dict[str, list[JSON]] = {}
    earlier: dict[str, list[JSON]] = {}
    for pod in (*stored, *(record["pod"] for record in gone.values())):
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
    found = _billed(
        Application(each, drivers.get(each), tuple(sorted(pods, key=_created_at)), tuple(earlier.get(each, ())), gone)
        for each, pods in executors.items()
    )
    return sorted(found, key=lambda each: next(map(_created_at, each.pods), ""), reverse=True)


def _billed(found: Iterable[Application]) -> list[Application]:
    """Return applications of which those that keep tasks warm after them pay for these."""
    by_id = {each.id: each for each in found}
    homes = {pod["metadata"].get("uid"): each for each in by_id.values() for pod in (each.driver, *each.earlier) if pod}
    for each in filter(lambda each: each.is_warm, by_id.copy().values()):
        owners = {owner["uid"] for pod in each.pods for owner in owners_of(pod)}
        if payer := next((by_id[homes[uid].id] for uid in owners & homes.keys()), None):
            by_id[payer.id] = replace(payer, kept=(*payer.kept, *each.pods))
            by_id[each.id] = replace(each, kept_by=payer.plain_name)
    return list(by_id.values())


def _created_at(pod: JSON) -> str:
    return str(pod["metadata"].get("creationTimestamp", ""))


def selector_of(spec: JobSpec, app_id: str) -> str:
    """Return the label selector of all pods of a submitted application."""
    return f"{APPLICATION_LABEL if spec.max_attempts > 1 else SELECTOR}={app_id}"


def list_applications(client: KubeClient, namespace: str) -> list[Application]:
    """Return all applications of a namespace, of every one if it is "", those too that ended in the last day."""
    path = f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods"
    pods = client.get(path, labelSelector=ROLE)["items"]
    try:  # after the pods: one that goes meanwhile is in both
        records = client.get(records_path(namespace), labelSelector=ROLE)["items"]
    except ApiError as error:
        if error.code not in (403, 404):  # not allowed, or a control plane that keeps none
            raise
        records = []
    return group(pods, records)
