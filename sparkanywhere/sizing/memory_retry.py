"""A job that has run out of memory once more, with more of it: `run --auto-size`. Pure.

A heap that was too small is doubled, and what lies beside a heap where the pod was; either then takes all of the size
that the provider sells for it. Time and money that the attempts before have used are taken off the job's limits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from chalicelib.apimachinery.rules.quantity import parse_quantity
from chalicelib.controllers.causes.advice import short_of_memory
from chalicelib.providers.base import TaskRejected
from chalicelib.providers.sizes import SizeTable
from sparkanywhere.jobs.capacity import wanted_mib
from sparkanywhere.jobs.memory_size import parse_mib
from sparkanywhere.jobs.spark_properties import overhead_factor
from sparkanywhere.jobs.spec import JobSpec

MOST_ATTEMPTS = 4  # in all: the last one has eight times the memory of the first, or more
GROWTH = 2


@dataclass(frozen=True, slots=True)
class Spent:
    """What attempts have used of a job's limits: dollars, where it is billed, and seconds."""

    usd: float
    seconds: float


def with_more_memory(spec: JobSpec, cause: str, spent: Spent, sizes: SizeTable | None) -> tuple[JobSpec, str] | None:
    """Return the job for the next attempt and the option that is new; None if it did not fail for want of memory.

    None as well where nothing larger is sold, or nothing is left of its limits.
    """
    short = short_of_memory(cause)
    if short is None or (spec.time_limit and spent.seconds >= spec.time_limit):
        return None
    role, is_heap = short
    left = Decimal(spec.max_usd) - Decimal(str(round(spent.usd, 6))) if spec.max_usd else Decimal(1)
    if left <= 0:
        return None
    heap = parse_mib(getattr(spec, f"{role}_memory"))
    beside, key = wanted_mib(spec, role) - heap, f"spark.{role}.memoryOverhead"
    grown: dict[str, Any] = {f"{role}_memory": f"{heap * GROWTH}m"}
    if not is_heap:
        grown = {"conf": {**spec.conf, key: f"{beside * GROWTH}m"}}
    more = replace(spec, **grown)
    try:
        room = _room(more, role, sizes)
    except TaskRejected:
        return None
    limits: dict[str, Any] = {"max_usd": str(left) if spec.max_usd else "", "time_limit": 0}
    if spec.time_limit:
        limits["time_limit"] = max(1, int(spec.time_limit - spent.seconds))
    if not is_heap:
        beside = beside * GROWTH + room
        return replace(more, conf={**more.conf, key: f"{beside}m"}, **limits), f"--conf {key}={beside}m"
    if key not in spec.conf:
        room = int(room / (1 + overhead_factor(spec)))
    limits[f"{role}_memory"] = size = f"{heap * GROWTH + room}m"
    return replace(more, **limits), f"--{role}-memory {size}"


def _room(spec: JobSpec, role: str, sizes: SizeTable | None) -> int:
    """Return what is left free in the size that a role's pod is sold as, in MiB. Raises TaskRejected."""
    if sizes is None:
        return 0
    cpu = spec.conf.get(f"spark.kubernetes.{role}.request.cores", str(getattr(spec, f"{role}_cores")))
    wanted = wanted_mib(spec, role)
    return sizes.fit(cpu_milli=parse_quantity(cpu).milli, memory_mib=wanted).memory_mib - wanted
