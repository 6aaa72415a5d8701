"""What a job used and what that would cost by Fargate's list price. The price table is data, with its date.

A local job costs nothing; its figure says what the same pods would have cost on Fargate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from chalicelib.apimachinery.quantity import parse_quantity
from chalicelib.apimachinery.status import JSON
from chalicelib.apimachinery.time import find_time
from chalicelib.prices import prices

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What pods used: vCPU-seconds, GiB-seconds, and dollars by list price."""

    vcpu_seconds: float = 0.0
    gib_seconds: float = 0.0
    usd: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.vcpu_seconds + other.vcpu_seconds, self.gib_seconds + other.gib_seconds, self.usd + other.usd
        )


def usage(pods: Iterable[JSON], now: datetime) -> Usage:
    """Return the sum over all pods, those that still run up to `now`."""
    total = Usage()
    for pod in pods:
        total = total + pod_usage(pod, now)
    return total


def pod_usage(pod: JSON, now: datetime) -> Usage:
    """Return what one pod used by its requests, from its start to its end."""
    seconds = running_seconds(pod, now)
    if not seconds:
        return Usage()
    cpu, memory_gib = _requests(pod)
    table = prices()
    selector = (pod.get("spec") or {}).get("nodeSelector") or {}
    arch = selector.get("kubernetes.io/arch", "amd64")
    arch = arch if arch in table["usd_per_vcpu_hour"] else "amd64"
    factor = table["spot_factor"] if selector.get("sparkanywhere.io/capacity-type") == "spot" else 1.0
    billed = max(seconds, float(table["minimum_seconds"]))
    rate = cpu * table["usd_per_vcpu_hour"][arch] + memory_gib * table["usd_per_gib_hour"][arch]
    return Usage(cpu * seconds, memory_gib * seconds, billed / HOUR * rate * factor)


def running_seconds(pod: JSON, now: datetime) -> float:
    """Return how long a pod has run: its containers' first start to their last end, or to `now`."""
    status = pod.get("status") or {}
    starts, ends = [], []
    for each in status.get("containerStatuses") or ():
        state = each.get("state") or {}
        terminated, running = state.get("terminated") or {}, state.get("running") or {}
        started = find_time(terminated.get("startedAt") or running.get("startedAt"))
        if started:
            starts.append(started)
            ends.append(find_time(terminated.get("finishedAt")) or now)
    return max(0.0, (max(ends) - min(starts)).total_seconds()) if starts else 0.0


def _requests(pod: JSON) -> tuple[float, float]:
    cpu, memory = 0.0, 0.0
    for container in (pod.get("spec") or {}).get("containers") or ():
        resources = container.get("resources") or {}
        asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
        cpu += parse_quantity(str(asked.get("cpu", "1"))).milli / 1000
        memory += parse_quantity(str(asked.get("memory", "0"))).mebibytes / 1024
    return cpu, memory
