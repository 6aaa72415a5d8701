"""Where a task may run, in order: Fargate Spot, Fargate, or capacity providers of the cluster's own. Pure.

A capacityProviderStrategy divides tasks by weights and never falls back, so the next is taken by us: when RunTask finds
no capacity, and after a task that ECS gave up before it began. Amazon ECS API Reference, RunTask and
RegisterTaskDefinition (2014-11-13); Developer Guide, "Amazon ECS Managed Instances" (2026).
"""

from __future__ import annotations

from chalicelib.providers.base import Task

FARGATE, SPOT = "FARGATE", "FARGATE_SPOT"
FALLBACK_KEY = "sparkanywhere.io/fallback"
TYPE_KEY = "sparkanywhere.io/capacity-type"
PROVIDER_KEY = "sparkanywhere.io/capacity-provider"
PROVIDERS = {"fargate-spot": SPOT, "fargate": FARGATE, "spot": SPOT, "on-demand": FARGATE}
NAMES = {SPOT: "fargate-spot", FARGATE: "fargate"}  # as users write them
NO_CAPACITY = ("CapacityUnavailable", "FailedScheduling")  # reasons of ours that another capacity may not have


def ladder(task: Task) -> tuple[str, ...]:
    """Return ECS's names of the capacity providers that a task may run on, the first choice first."""
    hints = dict(task.placement)
    types = sorted(hints.get(TYPE_KEY, "").split(","), key=lambda each: each != "spot")
    named = hints.get(FALLBACK_KEY, "").split(",") if hints.get(FALLBACK_KEY) else [hints.get(PROVIDER_KEY) or ""]
    chosen = [each.strip() for each in (named if any(named) else types)]
    return tuple(dict.fromkeys(PROVIDERS.get(each.lower(), each) for each in chosen if each)) or (FARGATE,)


def rungs(task: Task) -> tuple[str, ...]:
    """Return what is left of the ladder: each of the task's failed starts has used up one, the last one stays."""
    all_of_them = ladder(task)
    return all_of_them[min(task.attempt, len(all_of_them) - 1) :]


def is_fargate(provider: str) -> bool:
    """Return whether it is AWS's own; the others are instances of the cluster."""
    return provider in NAMES


def is_on_instances(task: Task) -> bool:
    """Return whether a task can run on instances alone: what Fargate lacks may then be there."""
    return not any(map(is_fargate, ladder(task)))


def compatibilities(task: Task) -> list[str]:
    """Return what its definition is to be valid for."""
    every = ladder(task)
    wanted = [("FARGATE", any(map(is_fargate, every))), ("MANAGED_INSTANCES", not all(map(is_fargate, every)))]
    return [name for name, applies in wanted if applies]
