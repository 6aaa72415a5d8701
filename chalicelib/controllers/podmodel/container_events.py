"""What a kubelet would say of a pod's containers as its status moves: pure (before, after, report) -> news.

Wordings: kubernetes/pkg/kubelet (v1.36), images/image_manager.go and kuberuntime_container.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.accessors import status_of
from chalicelib.apimachinery.decoding.gotext import duration
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.runtime.recorder import EventType, News
from chalicelib.providers.base import PULLING, Fetch, TaskState

NEVER_BEGAN = frozenset(
    {"StartError", "ContainerCannotRun"}
)  # how a container ends that could not be started


def container_news(before: JSON, after: JSON, task: TaskState) -> Iterator[News]:
    """Yield what is new of each container of a pod, init containers first."""
    fetches = {each.name: each.fetch for each in task.containers}
    for field, statuses in (
        ("initContainers", "initContainerStatuses"),
        ("containers", "containerStatuses"),
    ):
        known = {each["name"]: each for each in status_of(before).get(statuses) or ()}
        for status in status_of(after).get(statuses) or ():
            part = f"spec.{field}{{{status['name']}}}"
            old = (known.get(status["name"]) or {}).get("state") or {}
            for type, reason, message in _of_one(after, status, old, fetches.get(status["name"])):
                yield News(type, reason, message, part)


def _of_one(pod: JSON, status: JSON, old: JSON, fetch: Fetch | None) -> Iterator[tuple[EventType, str, str]]:
    """Yield type, reason and message of what is new; `old` is the container's state before."""
    state, image = status["state"], str(status.get("image") or "")
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
    elif ("running" in state and "running" not in old) or (terminated and not has_begun):
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
        case "ErrImageNeverPull":
            yield "Warning", "ErrImageNeverPull", message
        case "CrashLoopBackOff":
            about = pod["metadata"]
            where = f"{about['name']}_{about.get('namespace', '')}({about.get('uid', '')})"
            said = f"Back-off restarting failed container {status['name']} in pod {where}"
            yield "Warning", "BackOff", said
            return
        case _:
            return
    yield "Warning", "Failed", f"Error: {reason}"
