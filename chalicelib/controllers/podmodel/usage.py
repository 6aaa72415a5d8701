"""What a pod has used and what that costs: pure (Pod, Rates, now) -> Usage.

Fargate bills a task's size from the start of the image pull until the task has ended
(aws.amazon.com/fargate/pricing); where the provider tells no such time, a pod counts from its first container's start.
A task that waits costs what one costs that runs, though no container of its pod has started. Who pays for it changes
when the task gets another pod (decision 52): a warm pod has paid until then, the job's pod pays from then on. A
driver's parked pod hands over its whole time with its task, and counts for nothing from then on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from chalicelib.apimachinery.accessors import annotations_of, is_terminal, spec_of
from chalicelib.apimachinery.rules.integers import parse_int64
from chalicelib.apimachinery.rules.quantity import NANO, Quantity, parse_quantity
from chalicelib.apimachinery.rules.time import find_time, format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.container_status import all_statuses, finished_at
from chalicelib.controllers.podmodel.parked import is_warm
from chalicelib.controllers.podmodel.placement import first_choice, placement
from chalicelib.controllers.podmodel.resources import GIB, MIB, disk_gib, pod_total
from chalicelib.providers.base import TaskRejected
from chalicelib.providers.prices import Rates
from chalicelib.providers.registry import reference_prices
from chalicelib.providers.sizes import SizeTable
from chalicelib.resources.pods.marks import BILLED_FROM, BOUND_TASK, BOUND_TO, CAPACITY, PAID_BEFORE, SIZE

HOUR_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much of a machine: cores, bytes of memory, and GiB of disk."""

    cpu: Quantity
    memory: Quantity
    disk_gib: float

    @property
    def vcpus(self) -> float:
        """Return the number of cores."""
        return self.cpu.amount

    @property
    def gib(self) -> float:
        """Return the memory in GiB."""
        return self.memory.amount / GIB


@dataclass(frozen=True, slots=True)
class Usage:
    """What pods used by what they asked for, in seconds times vCPUs and GiB, and what that costs in dollars."""

    vcpu_seconds: float = 0.0
    gib_seconds: float = 0.0
    usd: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.vcpu_seconds + other.vcpu_seconds, self.gib_seconds + other.gib_seconds, self.usd + other.usd)


NOTHING = Usage()


def usage(pods: Iterable[JSON], rates: Rates, now: datetime) -> Usage:
    """Return the sum over all pods, those that still run up to `now`."""
    return sum((pod_usage(pod, rates, now) for pod in pods), NOTHING)


def pod_usage(pod: JSON, rates: Rates, now: datetime) -> Usage:
    """Return what one pod used from its start to its end, nothing if it never ran."""
    seconds = running_seconds(pod, now)
    if seconds is None:
        return NOTHING
    asked = asked_size(spec_of(pod))
    marks = annotations_of(pod)
    paid = parse_int64(str(marks.get(PAID_BEFORE, ""))) or 0
    least = 0.0 if BOUND_TO in marks else rates.minimum_seconds - paid  # of a task, whoever has it when it ends
    usd = max(seconds, least) / HOUR_SECONDS * hourly_usd(pod, rates)
    return Usage(asked.vcpus * seconds, asked.gib * seconds, usd)


def rate_text(pod: JSON) -> str:
    """Return the annotation that says what an hour of a pod comes to, by what it asks for and at Fargate's price."""
    asked = asked_size(spec_of(pod))
    usd = round(hourly_usd(pod, reference_prices().rates), 9)
    return json.dumps({"vcpus": asked.vcpus, "gib": asked.gib, "usdPerHourOnFargate": usd})


def running_seconds(pod: JSON, now: datetime) -> float | None:
    """Return how long a pod has run, or its task: from its start to its last end, or to `now`; None if it never did.

    Times are in whole seconds: 0.0 is a pod that ran for a moment. None, too, if another pod has taken over its time.
    """
    if has_handed_over(pod):
        return None
    starts, ends = [], []
    for each in all_statuses(pod):
        state = each.get("state") or {}
        terminated, running = state.get("terminated") or {}, state.get("running") or {}
        started = find_time(terminated.get("startedAt") or running.get("startedAt"))
        if started:
            starts.append(started)
            ends.append(find_time(terminated.get("finishedAt")) or now)
    billed_from, is_bound = find_time(annotations_of(pod).get(BILLED_FROM)), BOUND_TASK in annotations_of(pod)
    if billed_from:
        starts = [billed_from] if is_bound else [*starts, billed_from]  # the task may have begun before the pod did
    if not starts:
        return None
    started = min(starts)
    ended = max(ends, default=finished_at(pod) or now) if is_terminal(pod) else now
    return max(0.0, (ended - started).total_seconds())


def has_handed_over(pod: JSON) -> bool:
    """Return whether a parked pod's whole time is that of the pod which has its task: both are the same job's."""
    return BOUND_TO in annotations_of(pod) and not is_warm(pod)


def bills(waiting: JSON, pulled: datetime | None, now: datetime) -> tuple[dict[str, str], dict[str, str]]:
    """Return annotations that say who pays for a task that is bound now: of the pod it waited with, of its new one.

    A warm pod pays until now. Any other parked pod is the job's, so its new pod takes over its whole bill.
    """
    marks = annotations_of(waiting)
    since = find_time(marks.get(BILLED_FROM)) or pulled or now
    bill = {BILLED_FROM: format_time(since), **{name: marks[name] for name in (PAID_BEFORE,) if name in marks}}
    if not is_warm(waiting):
        return bill, bill
    return bill, {BILLED_FROM: format_time(now), PAID_BEFORE: str(max(0, round((now - since).total_seconds())))}


def hourly_usd(pod: JSON, rates: Rates) -> float:
    """Return the price of an hour of the pod's size."""
    size = asked_size(spec_of(pod))
    included_gib = 0
    if rates.sizes:
        size = _given(pod) or _sold(size, rates.sizes)
        included_gib = rates.sizes.included_disk_gib
    hints = dict(placement(pod))
    arch = "arm64" if hints.get("kubernetes.io/arch") == "arm64" else "amd64"
    usd = size.vcpus * rates.vcpu_hour[arch] + size.gib * rates.gib_hour[arch]
    runs_on = annotations_of(pod).get(CAPACITY) or first_choice(pod)
    factor = rates.spot_factor if runs_on.endswith("spot") else 1.0
    return usd * factor + max(0.0, size.disk_gib - included_gib) * rates.disk_gib_hour


def asked_size(spec: JSON) -> Size:
    """Return what a pod asks for."""
    return Size(pod_total(spec, "cpu"), pod_total(spec, "memory"), disk_gib(spec))


def _given(pod: JSON) -> Size | None:
    """Return what the provider says that it has given, None if that is absent or cannot be read."""
    try:
        size = json.loads(annotations_of(pod)[SIZE])
        cpu, memory, disk = (parse_quantity(str(size[name])) for name in ("cpu", "memory", "ephemeral-storage"))
    except (KeyError, TypeError, ValueError):
        return None
    return Size(cpu, memory, disk.value / GIB)


def _sold(asked: Size, sizes: SizeTable) -> Size:
    """Return the smallest size that holds as much; as it is for a local pod, larger than any."""
    try:
        size = sizes.fit(cpu_milli=asked.cpu.milli, memory_mib=asked.memory.mebibytes, disk_gib=ceil(asked.disk_gib))
    except TaskRejected:
        return asked
    memory = Quantity(size.memory_mib * MIB * NANO)
    return Size(Quantity(size.cpu_milli * NANO // 1000), memory, size.disk_gib)
