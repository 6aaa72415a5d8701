"""What Azure says of a container group as a TaskState. Pure.

Azure/azure-rest-api-specs, Microsoft.ContainerInstance 2023-05-01, ContainerGroup and ContainerState;
learn.microsoft.com, "Azure Container Instances states" and "Troubleshoot common issues" (2026).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from chalicelib.providers.azure import arm, group, start
from chalicelib.providers.base import PULLING, ContainerState, Fetch, TaskPhase, TaskState

Raw = Mapping[str, Any]  # a group, or a part of one, as Azure writes it

OVER = ("Succeeded", "Failed", "Stopped")  # of a group's instance view
FAILED = "Failed"  # the provisioningState of a group that Azure goes on trying to start
# What begins the message of an event `Failed`, and the reason that Kubernetes users know for it.
FAILURES = (
    ("failed to pull", "ErrImagePull"),
    ("inaccessibleimage", "ErrImagePull"),
    ("failed to create", "CreateContainerError"),
    ("failed to start", "RunContainerError"),
)
OWN_LABELS = (group.INSTANCE, group.UID, group.POD)


def is_ours(raw: Raw, instance: str) -> bool:
    """Return whether a group is of this control plane."""
    return bool((raw.get("tags") or {}).get(group.INSTANCE) == instance)


def has_view(raw: Raw) -> bool:
    """Return whether an answer tells of containers: the provider's documents say of no list that it does."""
    return bool((raw.get("properties") or {}).get("instanceView"))


def has_failed(raw: Raw) -> bool:
    """Return whether a group's provisioning has failed, which Azure goes on trying."""
    return bool((raw.get("properties") or {}).get("provisioningState") == FAILED)


def container_names(raw: Raw) -> list[str]:
    """Return the names of a task's containers."""
    return [str(each.get("name")) for each, _ in _containers(raw)]


def task_state(raw: Raw, *, version: int, reason: str = "", ended: bool = False) -> TaskState:
    """Return the state of a group; `reason` is why it was asked to end, `ended` that nothing of it can run any more."""
    properties, tags = raw.get("properties") or {}, raw.get("tags") or {}
    never, failed = properties.get("restartPolicy") == "Never", has_failed(raw)
    found = [(_container(each, never=never or is_init), is_init) for each, is_init in _containers(raw)]
    mains = [each for each, is_init in found if not is_init]
    is_over = (properties.get("instanceView") or {}).get("state") in OVER
    runs = any(each.phase == "running" for each in mains)
    ended = ended or failed or (is_over and not runs) or (never and all(each.phase == "stopped" for each in mains))
    phase: TaskPhase = "running" if any(each.phase != "waiting" for each in mains) else "pending"
    told = _told(properties)
    if failed:
        reason = reason or _failure(told) or "ProvisioningFailed"
    elif ended and not reason and any(not each.started_at for each in mains):
        reason = _failure(told)
    states = tuple(each for each, _ in found)
    if ended:
        states = tuple(replace(each, phase="stopped") for each in states)
    began = min((each.started_at for each, _ in found if each.started_at), default=None)
    last = max((each.finished_at for each, _ in found if each.finished_at), default=None)
    return TaskState(
        uid=str(tags.get(group.UID) or ""),
        handle=str(raw.get("name") or ""),
        phase="stopped" if ended else phase,
        containers=states,
        address=str((properties.get("ipAddress") or {}).get("ip") or ""),
        reason=reason if ended else "",
        message=told[-1] if ended and reason and told and not began else "",
        version=version,
        started_at=began,
        stopped_at=(last or datetime.fromtimestamp(version / 1e6, UTC)) if ended else None,
        passing=arm.passing(" ".join(told)) if ended and not began else "",
        times=tuple(_times(properties)),
        zone="-".join([str(raw.get("location") or ""), *(raw.get("zones") or ())]) if raw.get("zones") else "",
        capacity="aci",
        labels=tuple((key.replace(group.SLASH, "/"), value) for key, value in tags.items() if key not in OWN_LABELS),
    )


def kept_ends(new: TaskState, old: TaskState) -> TaskState:
    """Return the newer state with those ends that the older one knew: a container that has ended once has ended."""
    ends = {each.name: each for each in old.containers if each.phase == "stopped"}
    return replace(new, containers=tuple(ends.get(each.name, each) for each in new.containers))


def _containers(raw: Raw) -> list[tuple[Raw, bool]]:
    """Return containers with whether they are init containers; without the one that lays out files for them."""
    properties = raw.get("properties") or {}
    inits = [each for each in properties.get("initContainers") or () if each.get("name") != start.FILES]
    return [*((each, True) for each in inits), *((each, False) for each in properties.get("containers") or ())]


def _container(raw: Raw, *, never: bool) -> ContainerState:
    properties = raw.get("properties") or {}
    view = properties.get("instanceView") or {}
    current, previous = view.get("currentState") or {}, view.get("previousState") or {}
    if never and previous.get("state") == "Terminated":
        current = previous  # Azure has started it again in spite of its policy: it ended when it first did
    state = current.get("state")
    known = ContainerState(
        str(raw.get("name") or ""),
        "waiting",
        restarts=0 if never else int(view.get("restartCount") or 0),
        image=str(properties.get("image") or ""),
        fetch=_fetch(view),
    )
    if state == "Running":
        return replace(known, phase="running", started_at=_time(current.get("startTime")))
    if state == "Terminated":
        return _ended(known, current)
    reason, message = _waiting(view)
    return replace(known, reason=reason, message=message)


def _ended(known: ContainerState, current: Raw) -> ContainerState:
    code, finished = current.get("exitCode"), _time(current.get("finishTime"))
    detail = str(current.get("detailStatus") or "")
    reason = "OOMKilled" if "oomkilled" in detail.lower() else "Error" if code else "Completed"
    return replace(
        known,
        phase="stopped",
        exit_code=code,
        reason=reason if code is not None else "ContainerStatusUnknown",
        message="" if detail in ("Error", "Completed") else detail,
        started_at=_time(current.get("startTime")) or finished,
        finished_at=finished,
    )


def _waiting(view: Raw) -> tuple[str, str]:
    """Return reason and message of a container that waits: what its last event tells."""
    events = sorted(view.get("events") or (), key=lambda each: str(each.get("lastTimestamp") or ""))
    last = events[-1] if events else {}
    name, said = last.get("name"), str(last.get("message") or "")
    if name == "Failed":
        return _failure([said]) or "CreateContainerError", said
    if name == "BackOff":
        return ("ImagePullBackOff" if "pull" in said.lower() else "CrashLoopBackOff"), said
    return "ContainerCreating", f"{PULLING}: {said}" if name == "Pulling" else said


def _failure(told: Sequence[str]) -> str:
    lines = [each.lower() for each in told]
    return next((reason for words, reason in FAILURES for line in lines if words in line), "")


def _told(properties: Raw) -> list[str]:
    """Return what events say went wrong, of the group and of its containers, the last at the end."""
    views = [properties.get("instanceView") or {}]
    for each in (*(properties.get("initContainers") or ()), *(properties.get("containers") or ())):
        views.append((each.get("properties") or {}).get("instanceView") or {})
    events = [event for view in views for event in view.get("events") or () if event.get("type") != "Normal"]
    events.sort(key=lambda each: str(each.get("lastTimestamp") or ""))
    return [str(each.get("message") or each.get("name")) for each in events]


def _event(view: Raw, name: str) -> Raw:
    return next((each for each in view.get("events") or () if each.get("name") == name), {})


def _fetch(view: Raw) -> Fetch | None:
    asked, had = (
        _time(_event(view, "Pulling").get("firstTimestamp")),
        _time(_event(view, "Pulled").get("lastTimestamp")),
    )
    return Fetch(max((had - asked).total_seconds(), 0.0)) if asked and had else None


def _times(properties: Raw) -> Iterable[tuple[str, datetime]]:
    views = [(each.get("properties") or {}).get("instanceView") or {} for each in properties.get("containers") or ()]
    for name, event, key, choose in (
        ("pull_started", "Pulling", "firstTimestamp", min),
        ("pull_stopped", "Pulled", "lastTimestamp", max),
    ):
        moments = [moment for view in views if (moment := _time(_event(view, event).get(key)))]
        if moments:
            yield name, choose(moments)


def _time(text: Any) -> datetime | None:
    """Return a moment, of which Azure writes up to seven digits of a second. Any: whatever stands there."""
    if not text:
        return None
    whole, _, rest = str(text).rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{rest[:6]:0<6}").replace(tzinfo=UTC)
