"""What the pods of an application used, and what that costs.

A local job costs nothing; its figure says what the same pods would have cost on Fargate by the list price.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from chalicelib.apimachinery.accessors import annotations_of, labels_of
from chalicelib.apimachinery.rules.time import format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel import usage as pod_usage
from chalicelib.controllers.podmodel.gone_pods import read_gone
from chalicelib.controllers.podmodel.parked import name_of_parked
from chalicelib.controllers.podmodel.status import deadline
from chalicelib.controllers.podmodel.usage import NOTHING, Usage
from chalicelib.providers.registry import reference_prices
from chalicelib.resources.pods.marks import BOUND_TASK


def usage(pods: Iterable[JSON], now: datetime) -> Usage:
    """Return the sum over all pods, those that still run up to `now`."""
    return pod_usage.usage(pods, reference_prices().rates, now)


def price_of_waiting(pods: Collection[JSON]) -> str:
    """Return, in words, how many tasks wait for a job, until when, and at what price an hour."""
    listed = reference_prices()
    usd = sum(pod_usage.hourly_usd(each, listed.rates) for each in pods)
    end = max((format_time(each) for each in map(deadline, pods) if each), default="their time is over")
    who = "1 task waits" if len(pods) == 1 else f"{len(pods)} tasks wait"
    return f"{who} for a job until {end}: ${usd:.4f} an hour on {listed.seller}"


def usage_of_gone(drivers: Iterable[JSON]) -> Usage:
    """Return what pods used that the control plane no longer keeps, as their drivers' pods say."""
    gone = [read_gone(driver) for driver in drivers]
    return sum((Usage(each.usage.vcpu_seconds, each.usage.gib_seconds, each.usd_on_fargate) for each in gone), NOTHING)


def usage_of_seen(pods: Mapping[str, JSON], gone: Collection[str], now: datetime) -> Usage:
    """Return what pods used that were watched, by name as last seen; `gone` are those that were deleted.

    Those may have been seen before the driver's pod records them, or missed while no watch was open: the
    larger of the two sums is right.
    """
    stored = [pod for name, pod in pods.items() if name not in gone]
    drivers = [pod for pod in pods.values() if labels_of(pod).get("spark-role") == "driver"]
    bound = {name_of_parked(pod) for pod in pods.values() if BOUND_TASK in annotations_of(pod)}  # counted with those
    seen = usage((pods[name] for name in gone if name in pods and name not in bound), now)
    return usage(stored, now) + max(seen, usage_of_gone(drivers), key=lambda each: each.vcpu_seconds)
