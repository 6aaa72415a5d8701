"""What an object uses of a ResourceQuota. Pure.

Compare kubernetes/pkg/quota/v1/evaluator/core, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chalicelib.apimachinery.accessors import is_terminal, spec_of
from chalicelib.apimachinery.rules.quantity import NANO, Quantity, parse_quantity
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.pods.qos import qos_class
from chalicelib.resources.policy.quotas import COUNTED

Usage = dict[str, Quantity]

ONE = Quantity(NANO)
PLAIN = ("cpu", "memory", "ephemeral-storage")  # names that mean requests when a quota gives them alone


@dataclass(frozen=True, slots=True)
class Totals:
    """What a pod asks for in all."""

    requests: Usage
    limits: Usage


def add(first: Usage, second: Usage) -> Usage:
    """Return the sum of two usages."""
    zero = Quantity()
    return {name: first.get(name, zero) + second.get(name, zero) for name in first.keys() | second.keys()}


def _largest(first: Usage, second: Usage) -> Usage:
    zero = Quantity()
    return {name: max(first.get(name, zero), second.get(name, zero)) for name in first.keys() | second.keys()}


def _amounts(container: JSON, kind: str) -> Usage:
    resources = container.get("resources") or {}
    amounts = dict(resources.get(kind) or {})
    if kind == "requests":  # a limit alone is a request too
        amounts = {**(resources.get("limits") or {}), **amounts}
    return {name: parse_quantity(str(amount)) for name, amount in amounts.items()}


def _total(spec: JSON, kind: str) -> Usage:
    """Return what runs at once, at its highest: all containers, or one init container, beside the sidecars so far."""
    running: Usage = {}
    peak: Usage = {}
    for container in spec.get("initContainers") or ():
        amounts = _amounts(container, kind)
        if container.get("restartPolicy") == "Always":
            running = add(running, amounts)
        else:
            peak = _largest(peak, add(running, amounts))
    for container in spec.get("containers") or ():
        running = add(running, _amounts(container, kind))
    overhead = {name: parse_quantity(str(amount)) for name, amount in (spec.get("overhead") or {}).items()}
    return add(_largest(peak, running), overhead)


def pod_totals(spec: JSON) -> Totals:
    """Return the requests and limits of a pod."""
    return Totals(_total(spec, "requests"), _total(spec, "limits"))


def usage(resource: str, obj: JSON) -> Usage:
    """Return what an object uses, by the names that quotas have for it; `resource` is the name it is stored under."""
    group = GROUPS.get(resource, "")
    found: Usage = {f"count/{resource}.{group}" if group else f"count/{resource}": ONE}
    if resource in COUNTED and resource != "pods":
        found[resource] = ONE
    if resource == "pods":
        found |= _pod_usage(obj)
    elif resource == "services":
        found |= _service_usage(obj["spec"])
    elif resource == "persistentvolumeclaims":
        found |= _claim_usage(obj)
    return found


# Groups of the built-in resources that people count; a custom resource is stored under its full name.
GROUPS = {
    "deployments": "apps",
    "replicasets": "apps",
    "statefulsets": "apps",
    "jobs": "batch",
    "networkpolicies": "networking.k8s.io",
    "poddisruptionbudgets": "policy",
    "leases": "coordination.k8s.io",
    "endpointslices": "discovery.k8s.io",
    "roles": "rbac.authorization.k8s.io",
    "rolebindings": "rbac.authorization.k8s.io",
}


def _pod_usage(pod: JSON) -> Usage:
    if is_terminal(pod):
        return {}
    totals = pod_totals(pod["spec"])
    found: Usage = {"pods": ONE}
    for name, amount in totals.requests.items():
        found[f"requests.{name}"] = amount
        if name in PLAIN or name.startswith("hugepages-"):
            found[name] = amount
    for name, amount in totals.limits.items():
        if name in PLAIN:
            found[f"limits.{name}"] = amount
    return found


def _service_usage(spec: JSON) -> Usage:
    kind = spec.get("type", "ClusterIP")
    ports = Quantity(NANO * len(spec.get("ports") or ()))
    if kind == "NodePort":
        return {"services.nodeports": ports}
    if kind == "LoadBalancer":
        has_ports = spec.get("allocateLoadBalancerNodePorts", True)
        return {"services.loadbalancers": ONE, **({"services.nodeports": ports} if has_ports else {})}
    return {}


def _claim_usage(claim: JSON) -> Usage:
    spec = claim["spec"]
    asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    found: Usage = {} if asked is None else {"requests.storage": parse_quantity(str(asked))}
    storage_class = spec.get("storageClassName")
    if storage_class:
        start = f"{storage_class}.storageclass.storage.k8s.io/"
        found |= {start + name: amount for name, amount in found.items()}
        found[f"{start}persistentvolumeclaims"] = ONE
    return found


def missing_resources(pod: JSON, hard: Iterable[str]) -> dict[str, list[str]]:
    """Return which containers of a pod leave out what a quota demands: names of resources to names of containers."""
    found: dict[str, list[str]] = {}
    for name in hard:
        kind, _, resource = name.rpartition(".")
        resource, kind = (name, "requests") if name in PLAIN else (resource, kind)
        if kind not in ("requests", "limits") or resource not in PLAIN:
            continue
        for container in [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]:
            if resource not in _amounts(container, kind):
                found.setdefault(name, []).append(container["name"])
    return found


def in_scope(resource: str, obj: JSON, quota: JSON) -> bool:
    """Return whether a quota's scopes take an object in."""
    spec = spec_of(quota)
    wanted = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()]
    wanted += (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    return all(resource == "pods" and _matches(obj, each) for each in wanted)


def _matches(pod: JSON, wanted: JSON) -> bool:
    spec, scope = pod["spec"], wanted.get("scopeName")
    has_deadline = spec.get("activeDeadlineSeconds") is not None
    match scope:
        case "Terminating":
            return has_deadline
        case "NotTerminating":
            return not has_deadline
        case "BestEffort":
            return qos_class(spec) == "BestEffort"
        case "NotBestEffort":
            return qos_class(spec) != "BestEffort"
        case "PriorityClass":
            return _selects(spec.get("priorityClassName") or "", wanted)
    return False


def _selects(value: str, wanted: JSON) -> bool:
    values = wanted.get("values") or ()
    match wanted.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "DoesNotExist":
            return not value
    return bool(value)
