"""A pod whose start was refused: it stays Pending, and says why as a kubelet or a scheduler would. Pure.

Compare SyncPod in kubernetes/pkg/kubelet/kuberuntime/kuberuntime_manager.go and the volume manager, v1.36: a kubelet
never gives up on a pod that it cannot start, it tries again with growing pauses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.apimachinery.accessors import is_deleting, labels_of, phase_of, status_of
from chalicelib.apimachinery.rules.time import find_time, format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel import events as pod_events
from chalicelib.controllers.podmodel.container_status import all_statuses
from chalicelib.controllers.podmodel.references import MOUNT, SCHEDULE
from chalicelib.controllers.podmodel.status import REJECTED, bound_waiting_status, ended_status, unscheduled_status
from chalicelib.controllers.runtime.recorder import News
from chalicelib.providers.base import Provider, ProviderError, Task, TaskRejected

CREATE_ERROR = "CreateContainerError"
NO_NODE = "0/1 nodes are available"  # as the scheduler begins
SANDBOX = "FailedCreatePodSandBox"
# Reasons that a container waits for, in a kubelet's own words; of the others of a refusal for good, see _SHOWN.
CONTAINER_REASONS = frozenset(
    {
        CREATE_ERROR,
        "CreateContainerConfigError",
        "InvalidImageName",
        "ErrImagePull",
        "ErrImageNeverPull",
        "ImageInspectError",
    }
)
# A provider's reason, and the one of the Event that a cluster would show; what is not here is a CREATE_ERROR.
_SHOWN = {
    **dict.fromkeys(("UnsupportedVolume", "InvalidVolume", "InvalidPath", "HostPathNotAllowed", "Forbidden"), MOUNT),
    **dict.fromkeys(("SubPathNotSafe", "SubPathNotSupported", MOUNT), MOUNT),
    **dict.fromkeys((SANDBOX, "NetworkUnavailable", "NoAddress"), SANDBOX),
    **dict.fromkeys(("OutOfResources", "OutOfDisk", "NodeAffinity", "Unschedulable"), SCHEDULE),
}
# Of a container of a driver: no wait helps, so far as the provider can tell
_NEVER_STARTS = (CREATE_ERROR, "InvalidImageName")
NEVER_RAN = 128  # the exit code of a container that could not be started, as containerd has it
DRIVER_START_SECONDS = 30.0  # three tries; spark-submit waits for a driver's end, however long it is Pending


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a provider does not start a pod's task: `is_lasting` if it never will, as things are."""

    reason: str
    message: str
    is_lasting: bool

    @property
    def shown(self) -> str:
        """Return the waiting reason of a container, or that of an Event of the pod; SCHEDULE: it has no node."""
        if self.reason in CONTAINER_REASONS:
            return self.reason
        return _SHOWN.get(self.reason, CREATE_ERROR if self.is_lasting else SCHEDULE)

    @property
    def is_bound(self) -> bool:
        """Return whether the pod has its node and waits there."""
        return self.shown != SCHEDULE

    def status(self, pod: JSON, *, now: datetime) -> JSON:
        """Return the status of the refused pod; the same refusal again gives the same."""
        if not self.is_bound:
            reason = "Unschedulable" if self.is_lasting else self.reason
            message = f"{NO_NODE}: {self.message}" if self.is_lasting else self.message
            return self._with_why(unscheduled_status(pod, reason, message, now=now))
        said = self.message if self.reason == self.shown else f"{self.reason}: {self.message}"
        why = (self.shown, said) if self.shown in CONTAINER_REASONS else None
        return self._with_why(bound_waiting_status(pod, why, now=now))

    def _with_why(self, status: JSON) -> JSON:
        """Return a status that says, beside what a kubelet writes, that the pod was refused as it is, and why."""
        return {**status, "reason": self.reason, "message": self.message} if self.is_lasting else status

    def news(self, before: JSON, after: JSON) -> Iterator[News]:
        """Yield the Events of this refusal, the same words each time, so that they are counted."""
        if not self.is_bound:
            yield News("Warning", SCHEDULE, f"{NO_NODE if self.is_lasting else self.reason}: {self.message}")
        elif self.shown in CONTAINER_REASONS:
            yield from pod_events.container_news(before, after)
        else:
            yield News("Warning", self.shown, self.message)


def warnings_of(provider: Provider, task: Task) -> list[str]:
    """Return what a provider will not honour of a task; of one that it will not start why its pod stays Pending.

    What it cannot tell at the moment is no reason to refuse a pod: its start is tried, and says it.
    """
    try:
        return provider.warnings(task)
    except TaskRejected as error:
        return [f"the pod stays Pending: {error.message}"]
    except ProviderError:
        return []


def why_not_started(pod: JSON) -> tuple[str, str] | None:
    """Return reason and message of a Pending pod that was refused for good, else None."""
    status = status_of(pod)
    if phase_of(pod) != "Pending":
        return None
    if status.get("reason"):
        return status["reason"], status.get("message", "")
    waits = [(each.get("state") or {}).get("waiting") or {} for each in all_statuses(pod)]
    found = next((each for each in waits if each.get("reason") in _NEVER_STARTS), None)
    return (found["reason"], found.get("message", "")) if found else None


def is_driver(pod: JSON) -> bool:
    """Return whether the pod is a Spark driver."""
    return labels_of(pod).get("spark-role") == "driver"


def is_driver_to_end(pod: JSON, now: datetime) -> bool:
    """Return whether the pod is a Spark driver that could not be started for so long that its submitter is told.

    spark-submit, operators and schedulers wait for a driver's end without a limit of their own.
    """
    if not is_driver(pod) or is_deleting(pod) or why_not_started(pod) is None:
        return False
    since = find_time(status_of(pod).get("startTime")) or find_time(pod["metadata"].get("creationTimestamp"))
    return since is None or now - since >= timedelta(seconds=DRIVER_START_SECONDS)


def given_up_status(pod: JSON, *, now: datetime) -> JSON:
    """Return the status of a refused pod that is not tried again: its containers have ended, for the same reason.

    spark-submit prints how the containers of a driver ended, and nothing else of why.
    """
    reason, message = why_not_started(pod) or ("StartError", "")
    status = ended_status(pod, reason, f"{REJECTED}{message}", now=now)
    ended = {"exitCode": NEVER_RAN, "reason": reason, "message": message, "finishedAt": format_time(now)}
    for field in ("initContainerStatuses", "containerStatuses"):
        if field in status:
            status[field] = [{**each, "state": {"terminated": ended}} for each in status[field]]
    return status
