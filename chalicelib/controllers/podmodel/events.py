"""The news of a pod's life, in the words of a scheduler and a kubelet. Pure.

Wordings: kubernetes/pkg/kubelet (v1.36), images/image_manager.go and kuberuntime_container.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chalicelib.apimachinery.accessors import annotations_of, full_name, status_of
from chalicelib.apimachinery.decoding.gotext import duration
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.container_status import all_statuses
from chalicelib.controllers.podmodel.placement import first_choice
from chalicelib.controllers.podmodel.references import CONFIG, MOUNT, Missing
from chalicelib.controllers.podmodel.status import DEADLINE_MESSAGE, DEADLINE_REASON
from chalicelib.controllers.runtime.recorder import EventType, News
from chalicelib.providers.base import PULLING, Fetch, TaskState
from chalicelib.resources.pods.marks import ANY_ZONE, CAPACITY, HOME_ZONE, ZONE

QUIET_MOUNT_SECONDS = 2.0  # that a mount may be missing before an Event says so
OVERDUE = News("Normal", DEADLINE_REASON, DEADLINE_MESSAGE)
# How a container ends that could not be started
NEVER_BEGAN = ("StartError", "ContainerCannotRun")


def assigned(pod: JSON, node_name: str) -> Iterator[News]:
    """The pod, as it was before, gets its node; nothing is said of one that has been told so."""
    conditions = status_of(pod).get("conditions") or ()
    if not any(each.get("type") == "PodScheduled" and each.get("status") == "True" for each in conditions):
        metadata = pod["metadata"]
        where = f"{metadata.get('namespace', '')}/{metadata['name']} to {node_name}"
        yield News("Normal", "Scheduled", f"Successfully assigned {where}")


def launched(unsupported: Sequence[str], warnings: Sequence[str], notes: Sequence[str]) -> Iterator[News]:
    """The task is on its way; what of the pod it does not honour is named. Notes alone are no warning."""
    warned = [*([", ".join(unsupported)] if unsupported else []), *warnings]
    if warned or notes:  # one Event, since each is a write for each pod
        said = "; ".join([*warned, *notes])
        yield News("Warning" if warned else "Normal", "NotHonoured", f"not honoured here: {said}")


def waiting(missing: Sequence[Missing], *, is_new: bool, seconds: float) -> Iterator[News]:
    """The pod has waited so long for objects it refers to; `is_new` if its status says so only now.

    A mount that is missing is said again and again, as a kubelet does, but not at first: Spark makes each
    driver's ConfigMap a moment after the driver.
    """
    for each in missing:
        if is_new if each.event != MOUNT else seconds >= QUIET_MOUNT_SECONDS:
            said = f"Error: {each.message}" if each.event == CONFIG else each.message
            yield News("Warning", each.event, said)


def stopping(pod: JSON) -> Iterator[News]:
    """The pod's containers are asked to end."""
    for container in pod["spec"].get("containers") or ():
        yield News("Normal", "Killing", f"Stopping container {container['name']}")


def changed(before: JSON, after: JSON, task: TaskState) -> Iterator[News]:
    """The status of the pod has moved to what was reported: say what is new, and why a pod failed."""
    yield from container_news(before, after, task)
    yield from _start_times(before, after, task)
    zone, home = annotations_of(after).get(ZONE), annotations_of(after).get(HOME_ZONE, ANY_ZONE)
    if zone and not annotations_of(before).get(ZONE) and home not in (zone, ANY_ZONE):
        yield News("Normal", "OtherZone", f"runs in {zone}: its driver's zone, {home}, has no room for it")
    runs_on = annotations_of(after).get(CAPACITY, "")
    if runs_on and not annotations_of(before).get(CAPACITY):
        wanted = first_choice(after)
        if not runs_on.endswith(wanted) and wanted != "on-demand":
            yield News("Normal", "OtherCapacity", f"runs on {runs_on}: {wanted} has no room for it")
    status, old = status_of(after), status_of(before)
    if status.get("reason") and status.get("phase") == "Failed" and old.get("phase") != "Failed":
        yield News("Warning", status["reason"], status.get("message") or "The pod failed")


def _start_times(before: JSON, after: JSON, state: TaskState) -> Iterator[News]:
    """Say where the time of a start went, where the provider knows that of the pod, not of its containers."""
    if not _runs(after) or _runs(before) or any(each.fetch for each in state.containers):
        return
    times, created = dict(state.times), state.created_at
    began, ended = times.get("pull_started"), times.get("pull_stopped")
    if began is None or ended is None:
        return
    text = f"Images pulled in {(ended - began).total_seconds():.1f}s"
    steps = [("network up", times.get("connectivity")), ("pull begun", began), ("started", state.started_at)]
    since = [f"{what} after {(moment - created).total_seconds():.1f}s" for what, moment in steps if created and moment]
    yield News("Normal", "Pulled", f"{text} ({', '.join(since)})" if since else text)


def _runs(pod: JSON) -> bool:
    return any("running" in (each.get("state") or {}) for each in all_statuses(pod))


def container_news(before: JSON, after: JSON, task: TaskState | None = None) -> Iterator[News]:
    """Yield what is new of each container of a pod, init containers first."""
    fetches = {each.name: each.fetch for each in task.containers} if task else {}
    for field, statuses in (("initContainers", "initContainerStatuses"), ("containers", "containerStatuses")):
        known = {each["name"]: each for each in status_of(before).get(statuses) or ()}
        for status in status_of(after).get(statuses) or ():
            part = f"spec.{field}{{{status['name']}}}"
            old = known.get(status["name"]) or {}
            for type, reason, message in _of_one(after, status, old, fetches.get(status["name"])):
                yield News(type, reason, message, part)


def _of_one(pod: JSON, status: JSON, before: JSON, fetch: Fetch | None) -> Iterator[tuple[EventType, str, str]]:
    """Yield type, reason and message of what is new; `before` is the container's status by then."""
    state, image, old = status["state"], str(status.get("image") or ""), before.get("state") or {}
    runs_anew = status["restartCount"] > before.get("restartCount", 0)
    has_begun = "running" in old or "terminated" in old
    terminated = state.get("terminated") or {}
    if "waiting" in state:
        yield from _waits(pod, status, old.get("waiting") or {})
    elif not has_begun and fetch is not None and not fetch.seconds:
        here = "already present on machine and can be accessed by the pod"
        yield "Normal", "Pulled", f'Container image "{image}" {here}'
    elif not has_begun and fetch is not None:
        took = f"{duration(fetch.seconds)} ({duration(fetch.asked_seconds)} including waiting)"
        said = f'Successfully pulled image "{image}" in {took}. Image size: {fetch.size_bytes} bytes.'
        yield "Normal", "Pulled", said
    if terminated.get("reason") in NEVER_BEGAN and "terminated" not in old:
        yield "Warning", "Failed", f"Error: {terminated.get('message') or terminated['reason']}"
    elif ("running" in state and ("running" not in old or runs_anew)) or (terminated and not has_begun):
        yield "Normal", "Started", "Container started"


def _waits(pod: JSON, status: JSON, old: JSON) -> Iterator[tuple[EventType, str, str]]:
    """Yield what to say of a container that waits for another reason than before."""
    waiting, image = status["state"]["waiting"], str(status.get("image") or "")
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    is_pulling, was_pulling = (str(each.get("message", "")).startswith(PULLING) for each in (waiting, old))
    if is_pulling and not was_pulling:
        yield "Normal", "Pulling", f'{PULLING} "{image}"'
    if reason == old.get("reason"):
        return
    match reason:
        case "ErrImagePull":
            yield "Warning", "Failed", f'Failed to pull image "{image}": {message}'
        case "ImagePullBackOff":
            yield "Normal", "BackOff", f'Back-off pulling image "{image}"'
        case "CreateContainerError" | "CreateContainerConfigError" | "ImageInspectError" if message:
            yield "Warning", "Failed", f"Error: {message}"
            return
        case "InvalidImageName":
            yield "Warning", "InspectFailed", f'Failed to apply default image tag "{image}": {message}'
        case "ErrImageNeverPull":
            yield "Warning", "ErrImageNeverPull", message
        case "CrashLoopBackOff":
            said = f"Back-off restarting failed container {status['name']} in pod {full_name(pod)}"
            yield "Warning", "BackOff", said
            return
        case _:
            return
    yield "Warning", "Failed", f"Error: {reason}"
