"""What a pod says of its probes, and what their results make of its status. Pure.

Results are kept in the status alone: `ready` and `started` of the run that they were found of. So they outlive a
control plane, and another one goes on with them. Compare kubernetes/pkg/kubelet/prober (v1.36), worker.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from chalicelib.apimachinery.accessors import is_terminal, spec_of, status_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.container_status import Run, all_statuses, run_of
from chalicelib.controllers.podmodel.status import with_readiness
from chalicelib.resources.pods.totals import is_sidecar

ProbeKind = Literal["startup", "readiness", "liveness"]
KINDS: tuple[ProbeKind, ...] = ("startup", "readiness", "liveness")

LONGEST_SECONDS = 86400  # the fields take any int32, which no timer needs
LONGEST_TIMEOUT_SECONDS = 60  # of an attempt, which holds one of the few threads that all probes share


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe of one container; `handler` is as in the pod, with one of exec, httpGet, tcpSocket and grpc.

    Times are in seconds. `ports` are the container's by their names. `grace_seconds` is None where the pod's counts.
    `restarts` says whether another run follows one that is ended.
    """

    container: str
    kind: ProbeKind
    part: str  # the container's field path, for Events
    handler: JSON
    ports: tuple[tuple[str, int], ...]
    initial_delay: int
    period: int
    timeout: int
    successes: int
    failures: int
    grace_seconds: int | None
    restarts: bool


def probes_of(pod: JSON) -> Iterator[Probe]:
    """Yield the probes of a pod's containers and sidecars."""
    spec = spec_of(pod)
    for kind in ("initContainers", "containers"):
        for container in spec.get(kind) or ():
            if kind == "containers" or is_sidecar(container):
                own = container.get("restartPolicy") or spec.get("restartPolicy")
                part = f"spec.{kind}{{{container['name']}}}"
                yield from _of_container(container, part, restarts=own != "Never")


def _of_container(container: JSON, part: str, *, restarts: bool) -> Iterator[Probe]:
    for kind in KINDS:
        found = container.get(f"{kind}Probe")
        if not found:
            continue
        ports = container.get("ports") or ()
        yield Probe(
            container=container["name"],
            kind=kind,
            part=part,
            handler=found,
            ports=tuple((each["name"], each["containerPort"]) for each in ports if each.get("name")),
            initial_delay=_number(found.get("initialDelaySeconds"), 0),
            period=max(1, _number(found.get("periodSeconds"), 10)),
            timeout=max(1, min(_number(found.get("timeoutSeconds"), 1), LONGEST_TIMEOUT_SECONDS)),
            successes=_number(found.get("successThreshold"), 1),
            failures=_number(found.get("failureThreshold"), 3),
            grace_seconds=found.get("terminationGracePeriodSeconds"),
            restarts=restarts,
        )


def _number(given: int | None, default: int) -> int:
    return default if given is None else min(given, LONGEST_SECONDS)


def find_status(pod: JSON, container: str) -> JSON:
    """Return the status of a container, {} without one."""
    return next((each for each in all_statuses(pod) if each.get("name") == container), {})


def probed_status(pod: JSON, container: str, run: Run, *, started: bool, ready: bool, now: datetime) -> JSON | None:
    """Return the status with what probes have found of a container's run; None if another runs, or nothing changes."""
    old: JSON = status_of(pod)
    found = {"started": started, "ready": ready}
    if is_terminal(pod) or run_of(find_status(pod, container)) != run:
        return None
    changed = {
        kind: [{**each, **found} if each.get("name") == container else each for each in old[kind]]
        for kind in ("initContainerStatuses", "containerStatuses")
        if old.get(kind)
    }
    return None if changed.items() <= old.items() else with_readiness(pod, {**old, **changed}, now=now)


def regated_status(pod: JSON, *, now: datetime) -> JSON | None:
    """Return the status of a running pod whose readiness gates have changed, None if Ready stays as it is."""
    old: JSON = status_of(pod)
    if old.get("phase") != "Running" or not spec_of(pod).get("readinessGates"):
        return None
    new = with_readiness(pod, old, now=now)
    return None if new == old else new
