"""Pods and task states for the tests of controllers: small, with what a test names changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.status import next_status
from chalicelib.providers.base import ContainerPhase, ContainerState, TaskPhase, TaskState

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BEFORE = NOW - timedelta(minutes=1)
UID = "11111111-0000-0000-0000-000000000001"
HANDLE = f"fake-{UID}"


class Clock:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Turn the clock forward."""
        self.now += timedelta(seconds=seconds)


def pod(name: str = "a", *, uid: str = UID, metadata: JSON | None = None, **spec: Any) -> JSON:  # Any: pod fields
    """Return a stored pod of one container `c`, Pending; keywords are fields of its spec."""
    found = {"containers": [container()], "restartPolicy": "Never", "terminationGracePeriodSeconds": 30, **spec}
    about = {"name": name, "namespace": "ns", "uid": uid, "creationTimestamp": "2026-01-02T03:00:00Z"}
    status = {"phase": "Pending", "qosClass": "BestEffort"}
    return {"metadata": {**about, **(metadata or {})}, "spec": found, "status": status}


def container(name: str = "c", **fields: Any) -> JSON:  # Any: container fields
    """Return a container of a pod's spec."""
    return {"name": name, "image": "image:1", "imagePullPolicy": "IfNotPresent", "resources": {}, **fields}


def known(
    name: str = "c", phase: ContainerPhase = "running", exit_code: int | None = None, **fields: Any
) -> ContainerState:  # Any: fields of the state
    """Return what a provider knows of a container."""
    if phase != "waiting":
        fields.setdefault("started_at", BEFORE)
    if phase == "stopped":
        fields.setdefault("finished_at", NOW)
    return ContainerState(name, phase, exit_code=exit_code, **fields)


def task(phase: TaskPhase, containers: Iterable[ContainerState] = (), **fields: Any) -> TaskState:  # Any: as above
    """Return a task's state."""
    fields = {"uid": UID, "handle": HANDLE, "version": 1, **fields}
    if phase == "stopped":
        fields.setdefault("stopped_at", NOW)
    return TaskState(phase=phase, containers=tuple(containers), **fields)


MOUNTS: JSON = {  # the spec of a pod that mounts the ConfigMap `settings`
    "containers": [{"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/conf"}]}],
    "volumes": [{"name": "v", "configMap": {"name": "settings"}}],
}


def after(obj: JSON, *states: TaskState) -> JSON:
    """Return the pod after these reports, a second apart."""
    for number, state in enumerate(states):
        obj = {**obj, "status": next_status(obj, state, now=NOW + timedelta(seconds=number))}
    return obj
