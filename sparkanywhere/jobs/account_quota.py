"""Whether the quotas of the account behind a control plane have room for a job, as its nodes tell them. Pure.

What else runs in the account is not counted: this says what can never be, not what will be.
"""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.apimachinery.accessors import labels_of
from chalicelib.apimachinery.rules.quantity import parse_quantity
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.cluster.quotas import quotas_of
from chalicelib.controllers.podmodel.placement import CAPACITY_PROVIDER, FALLBACK
from chalicelib.providers.base import TaskRejected
from chalicelib.providers.extensions import Quota
from chalicelib.providers.sizes import SizeTable
from chalicelib.resources.cluster.marks import PROVIDER_LABEL
from sparkanywhere.jobs.spec import JobSpec

DYNAMIC = "spark.dynamicAllocation"
ON_DEMAND, SPOT = "on-demand", "spot"


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What a quota has no room for, in one sentence with the command that asks for more; whether nothing can run."""

    problem: str
    is_hopeless: bool


def capacity_names(spec: JobSpec, role: str) -> list[str]:
    """Return on what a role's pods are to run, in order, as the job names it; empty if it says nothing."""
    selector = f"node.selector.{CAPACITY_PROVIDER}"
    keys = (f"{role}.annotation.{FALLBACK}", f"{role}.{selector}", selector)
    text = next(filter(None, (spec.conf.get(f"spark.kubernetes.{key}") for key in keys)), "")
    return [each.strip().lower() for each in text.split(",") if each.strip()]


def is_on_instances(spec: JobSpec, role: str, node: JSON) -> bool:
    """Return whether a role's pods run on capacity providers of the user's own alone: nodes tell nothing of these."""
    provider, names = labels_of(node).get(PROVIDER_LABEL, ""), capacity_names(spec, role)
    return bool(names) and not {provider, f"{provider}-{SPOT}", ON_DEMAND, SPOT} & set(names)


def shortfall(
    spec: JobSpec, node: JSON, sizes: SizeTable | None, *, driver_mib: int, executor_mib: int
) -> Shortfall | None:
    """Return what of a job the quotas have no room for, None where all of it fits or nothing is known.

    Without one executor a job is hopeless, but not on Spot, beside which there may be on-demand.
    """
    quotas, least = quotas_of(node), _least_executors(spec)
    driver, executor = _vcpus(spec, "driver", driver_mib, sizes), _vcpus(spec, "executor", executor_mib, sizes)
    shared = quotas.get(ON_DEMAND)
    if is_on_instances(spec, "driver", node):
        driver = 0.0
    if shared and driver > shared.vcpus:
        return Shortfall(f"This job can never run: its driver takes {driver:g} {_bound(shared)}", is_hopeless=True)
    if capacity_names(spec, "executor"):  # several have a quota each
        return None
    quota, beside = (quotas.get(SPOT), 0.0) if spec.spot else (shared, driver)
    if quota is None or beside + least * executor <= quota.vcpus:
        return None
    fits = int((quota.vcpus - beside) // executor)
    text = f"{least} executors take {beside + least * executor:g} {_bound(quota)}"
    if not fits and not spec.spot:
        return Shortfall(f"This job can never run: its driver and {text}", is_hopeless=True)
    with_driver = "" if spec.spot else "the driver and "
    return Shortfall(f"{with_driver}{text}. {fits} will run, and the others wait for room.", is_hopeless=False)


def _bound(quota: Quota) -> str:
    return f"{quota.capacity} vCPUs, and the account may have {quota.vcpus:g} at once (for more: {quota.more})"


def _least_executors(spec: JobSpec) -> int:
    """Return how many executors the job has at least, one where it may begin with none."""
    if spec.dynamic_allocation or spec.conf.get(f"{DYNAMIC}.enabled") == "true":
        return max(1, int(spec.conf.get(f"{DYNAMIC}.minExecutors") or 0))
    return spec.executors


def _vcpus(spec: JobSpec, role: str, mib: int, sizes: SizeTable | None) -> float:
    text = spec.conf.get(f"spark.kubernetes.{role}.request.cores") or str(getattr(spec, f"{role}_cores"))
    milli = parse_quantity(text).milli
    try:
        return (sizes.fit(cpu_milli=milli, memory_mib=mib).cpu_milli if sizes else milli) / 1000
    except TaskRejected:
        return milli / 1000  # which is refused by its size
