"""What an object uses of a ResourceQuota: pods, what they ask for, claims and their storage, counts. Pure.

Compare kubernetes/pkg/quota/v1/evaluator/core, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterable

from chalicelib.apimachinery.accessors import is_terminal, spec_of
from chalicelib.apimachinery.rules.quantity import NANO, Quantity, parse_quantity
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.resources import all_containers, claimed_storage, pod_totals
from chalicelib.resources.catalogue import ALL
from chalicelib.resources.pods.totals import ZERO, amounts
from chalicelib.resources.policy.quotas import COUNTED, is_scoped

Amounts = dict[str, Quantity]

ONE = Quantity(NANO)
PLAIN = ("cpu", "memory", "ephemeral-storage")  # names that mean requests when a quota gives them alone

# Groups of the built-in resources; a custom resource is stored under its full name.
GROUPS = {each.resource: each.group for each in ALL if each.group and not each.stored_as}


def add(first: Amounts, second: Amounts) -> Amounts:
    """Return the sum of two usages."""
    return {name: first.get(name, ZERO) + second.get(name, ZERO) for name in first.keys() | second.keys()}


def less(first: Amounts, second: Amounts) -> Amounts:
    """Return what is left of a usage without another one, nothing where that is larger."""
    return {
        name: Quantity(max(0, each.nanos - second.get(name, ZERO).nanos), each.format) for name, each in first.items()
    }


def hard_limits(quota: JSON) -> JSON:
    """Return what a quota bounds; nothing for one with scopes, which is stored and not enforced."""
    spec = spec_of(quota)
    return {} if is_scoped(spec) else spec.get("hard") or {}


def usage(resource: str, obj: JSON) -> Amounts:
    """Return what an object uses, by the names that quotas have for it; `resource` is the name it is stored under."""
    found: Amounts = {count_name(resource): ONE}
    if resource == "pods":
        found |= _pod_usage(obj)
    elif resource in COUNTED:
        found[resource] = ONE
    if resource == "persistentvolumeclaims":
        found["requests.storage"] = parse_quantity(claimed_storage(obj) or "0")
    return found


def count_name(resource: str) -> str:
    """Return the name by which quotas count the objects of a resource, whatever they are."""
    return f"count/{resource}.{GROUPS[resource]}" if resource in GROUPS else f"count/{resource}"


def counted_resource(name: str) -> str:
    """Return the resource, as it is stored, whose objects a quota counts by that name."""
    if name.startswith("count/"):
        full_name = name.removeprefix("count/")
        resource = full_name.partition(".")[0]
        return resource if name == count_name(resource) else full_name
    if name == "requests.storage":
        return "persistentvolumeclaims"
    return name if name in COUNTED else "pods"


def _pod_usage(pod: JSON) -> Amounts:
    if is_terminal(pod):
        return {}
    found: Amounts = {"pods": ONE}
    for name, amount in pod_totals(pod["spec"], "requests").items():
        found[f"requests.{name}"] = amount
        if name in PLAIN:
            found[name] = amount
    limits = pod_totals(pod["spec"], "limits")
    return found | {f"limits.{name}": amount for name, amount in limits.items() if name in PLAIN}


def missing_resources(pod: JSON, hard: Iterable[str]) -> dict[str, list[str]]:
    """Return which containers of a pod leave out what a quota demands: names of resources to names of containers."""
    found: dict[str, list[str]] = {}
    for name in hard:
        kind, _, resource = name.rpartition(".")
        resource, kind = (name, "requests") if name in PLAIN else (resource, kind)
        if kind not in ("requests", "limits") or resource not in PLAIN:
            continue
        for container in all_containers(pod["spec"]):
            if resource not in amounts(container, kind):
                found.setdefault(name, []).append(container["name"])
    return found
