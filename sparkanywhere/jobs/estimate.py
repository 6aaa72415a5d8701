"""What a job would ask for, and what that costs by the list price, before anything is created. Pure.

Executors are counted as if all were there from the start to the end: an upper bound, with dynamic allocation more so.
"""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.apimachinery.rules.quantity import parse_quantity
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.placement import CAPACITY_TYPE
from chalicelib.controllers.podmodel.usage import HOUR_SECONDS, hourly_usd
from chalicelib.providers.prices import Rates
from sparkanywhere.jobs.capacity import ROLES, wanted_mib
from sparkanywhere.jobs.spec import JobSpec

USD_DIGITS = 6  # behind the point: a millionth of a dollar


@dataclass(frozen=True, slots=True)
class Pods:
    """So many pods of one size; `usd_per_hour` is the price of all of them together."""

    count: int
    cpu: float  # cores
    memory_mib: int
    usd_per_hour: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A job's pods, and what it costs an hour in dollars; and at most, where its time is limited."""

    driver: Pods
    executors: Pods
    usd_per_hour: float
    usd_at_most: float | None


def estimate(spec: JobSpec, rates: Rates) -> Estimate:
    """Return what a job asks for and costs by these prices."""
    driver, executors = (_pods(spec, role, rates) for role in ROLES)
    total = round(driver.usd_per_hour + executors.usd_per_hour, USD_DIGITS)
    seconds = max(spec.time_limit, rates.minimum_seconds)
    limits = [round(total * seconds / HOUR_SECONDS, USD_DIGITS)] if spec.time_limit else []
    limits += [float(spec.max_usd)] if spec.max_usd else []
    return Estimate(driver, executors, total, min(limits, default=None))


def _pods(spec: JobSpec, role: str, rates: Rates) -> Pods:
    cpu = spec.conf.get(f"spark.kubernetes.{role}.request.cores", str(getattr(spec, f"{role}_cores")))
    memory_mib, count = wanted_mib(spec, role), spec.executors if role == "executor" else 1
    usd = pod_usd_per_hour(cpu, memory_mib, rates, arch=spec.arch, spot=spec.spot and role == "executor")
    return Pods(count, parse_quantity(cpu).milli / 1000, memory_mib, round(count * usd, USD_DIGITS))


def pod_usd_per_hour(cpu: str, memory_mib: int, rates: Rates, *, arch: str, spot: bool) -> float:
    """Return the price of an hour of a pod that asks for so much; cpu as Kubernetes writes it, arch "" for any."""
    requests = {"cpu": cpu, "memory": f"{memory_mib}Mi"}
    selector = {**({"kubernetes.io/arch": arch} if arch else {}), **({CAPACITY_TYPE: "spot"} if spot else {})}
    pod: JSON = {
        "metadata": {},
        "spec": {"containers": [{"resources": {"requests": requests}}], "nodeSelector": selector},
    }
    return hourly_usd(pod, rates)
