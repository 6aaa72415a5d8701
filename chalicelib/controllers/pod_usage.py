"""What a pod has used and what that costs: pure (Pod, Rates, now) -> Usage.

Fargate bills a task's size from the start of the image pull until the task has ended
(aws.amazon.com/fargate/pricing); where the provider tells no such time, a pod counts from its first container's start.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from chalicelib.apimachinery.status import JSON
from chalicelib.apimachinery.time import find_time
from chalicelib.controllers.pod_placement import CAPACITY_TYPE, placement
from chalicelib.controllers.pod_resources import GIB, MIB, disk_gib, pod_total
from chalicelib.prices import Rates
from chalicelib.providers.base import TaskRejected
from chalicelib.providers.ecs.sizes import CPU_UNITS, INCLUDED_DISK_GIB, fit
from chalicelib.registry.pod_marks import BILLED_FROM

HOUR_SECONDS = 3600.0
MIB_OF_GIB = 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """What pods used by what they asked for, in seconds times vCPUs and GiB, and what that costs in dollars."""

    vcpu_seconds: float = 0.0
    gib_seconds: float = 0.0
    usd: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.vcpu_seconds + other.vcpu_seconds, self.gib_seconds + other.gib_seconds, self.usd + other.usd
        )


NOTHING = Usage()


def usage(pods: Iterable[JSON], rates: Rates, now: datetime) -> Usage:
    """Return the sum over all pods, those that still run up to `now`."""
    return sum((pod_usage(pod, rates, now) for pod in pods), NOTHING)


def pod_usage(pod: JSON, rates: Rates, now: datetime) -> Usage:
    """Return what one pod used from its start to its end, nothing if it never ran."""
    seconds = running_seconds(pod, now)
    if seconds is None:
        return NOTHING
    spec = pod.get("spec") or {}
    cpu, gib = float(pod_total(spec, "cpu")), float(pod_total(spec, "memory") / GIB)
    usd = max(seconds, rates.minimum_seconds) / HOUR_SECONDS * _hourly(pod, rates)
    return Usage(cpu * seconds, gib * seconds, usd)


def running_seconds(pod: JSON, now: datetime) -> float | None:
    """Return how long a pod has run: its start to its containers' last end, or to `now`; None if it never did.

    Times are in whole seconds: 0.0 is a pod that ran for a moment.
    """
    status = pod.get("status") or {}
    starts, ends = [], []
    for each in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        state = each.get("state") or {}
        terminated, running = state.get("terminated") or {}, state.get("running") or {}
        started = find_time(terminated.get("startedAt") or running.get("startedAt"))
        if started:
            starts.append(started)
            ends.append(find_time(terminated.get("finishedAt")) or now)
    if not starts:
        return None
    billed_from = find_time((pod["metadata"].get("annotations") or {}).get(BILLED_FROM))
    started = min([*starts, billed_from] if billed_from else starts)
    ended = max(ends) if status.get("phase") in ("Succeeded", "Failed") else now
    return max(0.0, (ended - started).total_seconds())


def _hourly(pod: JSON, rates: Rates) -> float:
    """Return the price of an hour of the pod's size."""
    spec = pod.get("spec") or {}
    cpu, gib, disk = pod_total(spec, "cpu"), pod_total(spec, "memory") / GIB, disk_gib(spec)
    vcpus, memory_gib = float(cpu), float(gib)
    if rates.whole_sizes:
        try:
            size = fit(cpu_milli=ceil(cpu * 1000), memory_mib=ceil(gib * GIB / MIB), disk_gib=disk)
            vcpus, memory_gib = size.cpu_units / CPU_UNITS, size.memory_mib / MIB_OF_GIB
            disk = size.disk_gib
        except TaskRejected:
            pass  # a pod of a local provider, larger than any that Fargate sells
    hints = dict(placement(pod))
    arch = "arm64" if hints.get("kubernetes.io/arch") == "arm64" else "amd64"
    usd = vcpus * rates.vcpu_hour[arch] + memory_gib * rates.gib_hour[arch]
    factor = rates.spot_factor if hints.get(CAPACITY_TYPE) == "spot" else 1.0
    return usd * factor + max(0, disk - INCLUDED_DISK_GIB) * rates.disk_gib_hour
