"""Whether a pod may run on a node, in the scheduler's words. Pure.

Compare kubernetes/pkg/scheduler/framework/plugins (noderesources, nodeaffinity, nodeunschedulable, tainttoleration),
v1.36. One rule is ours: a selector by a label that the node does not carry says nothing, since the one node stands for
all that a provider has, and jobs bring the selectors of the clusters that they come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chalicelib.apimachinery.accessors import labels_of, metadata_of, spec_of, status_of
from chalicelib.apimachinery.rules.integers import parse_int64
from chalicelib.apimachinery.rules.quantity import parse_quantity
from chalicelib.apimachinery.rules.time import find_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.resources import pod_total

CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
OS_LABEL = "kubernetes.io/os"
_KEEPS_OFF = ("NoSchedule", "NoExecute")
UNSCHEDULABLE = "1 node(s) were unschedulable"
UNTOLERATED = "1 node(s) had untolerated taint(s)"
UNMATCHED = "1 node(s) didn't match Pod's node affinity/selector"

Amounts = Mapping[str, int]  # of resources by name, in nanos


def no_node(reasons: Iterable[str]) -> str:
    """Return the scheduler's sentence on why the one node will not do."""
    return f"0/1 nodes are available: {', '.join(reasons)}."


def why_kept_off(pod: JSON, node: JSON) -> str:
    """Return why the pod may not run on the node, whatever room there is; "" if it may."""
    if spec_of(node).get("unschedulable") and not tolerates(pod, CORDON):
        return UNSCHEDULABLE
    taints = [each for each in spec_of(node).get("taints") or () if each.get("effect") in _KEEPS_OFF]
    return "" if all(tolerates(pod, each) for each in taints) else UNTOLERATED


def evicting_taints(node: JSON) -> list[JSON]:
    """Return the taints of a node that pods which run there must tolerate."""
    return [each for each in spec_of(node).get("taints") or () if each.get("effect") == "NoExecute"]


def tolerated_seconds(pod: JSON, node: JSON) -> int | None:
    """Return how long a pod may stay on a node with its taints: 0 not at all, None for ever."""
    found: list[int] = []
    for taint in evicting_taints(node):
        tolerations = _tolerations(pod, taint)
        if not tolerations:
            return 0
        found += [max(0, each["tolerationSeconds"]) for each in tolerations if "tolerationSeconds" in each]
    return min(found, default=None)


def tolerates(pod: JSON, taint: JSON) -> bool:
    """Return whether one of a pod's tolerations is for the taint; for how long does not count."""
    return bool(_tolerations(pod, taint))


def _tolerations(pod: JSON, taint: JSON) -> list[JSON]:
    """Return the tolerations of a pod that are for a taint."""
    found = []
    for each in spec_of(pod).get("tolerations") or ():
        is_effect = each.get("effect") in (None, "", taint.get("effect"))
        is_key = each.get("key") in (None, "", taint.get("key"))
        is_value = bool(each.get("key")) and (each.get("value") or "") == (taint.get("value") or "")
        if is_effect and is_key and (each.get("operator") == "Exists" or is_value):
            found.append(each)
    return found


def selects(pod: JSON, node: JSON) -> bool:
    """Return whether a pod's selectors, required affinity and system do not rule the node out."""
    spec, labels = spec_of(pod), labels_of(node)
    wanted = dict(spec.get("nodeSelector") or {})
    system = (spec.get("os") or {}).get("name")
    if system and labels.get(OS_LABEL, system) != system:
        return False
    if any(labels.get(key, value) != value for key, value in wanted.items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    terms = (affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms") or []
    name = metadata_of(node).get("name", "")
    return not terms or any(
        all(_holds(each, labels) for each in term.get("matchExpressions") or ())
        and all(_holds(each, {"metadata.name": name}) for each in term.get("matchFields") or ())
        for term in terms
    )


def _holds(expression: JSON, labels: Mapping[str, str]) -> bool:
    """Return whether a requirement on a label holds, or is on one that the node does not carry."""
    key, values = expression.get("key", ""), expression.get("values") or []
    if key not in labels:
        return True
    found = labels[key]
    match expression.get("operator"):
        case "In":
            return found in values
        case "NotIn":
            return found not in values
        case "DoesNotExist":
            return False
        case "Gt" | "Lt" as operator:
            number, bound = parse_int64(found), parse_int64(str(values[0])) if values else None
            if number is None or bound is None:
                return False
            return number > bound if operator == "Gt" else number < bound
    return True


def bounds(node: JSON, *, shares_cpu: bool) -> dict[str, int]:
    """Return what the requests of a node's pods may come to, in nanos by resource."""
    uncounted = ("pods", "cpu") if shares_cpu else ("pods",)
    return {name: amount for name, amount in allocatable(node).items() if name not in uncounted}


def allocatable(node: JSON) -> dict[str, int]:
    """Return what a node has for pods, in nanos by resource."""
    amounts = status_of(node).get("allocatable") or {}
    return {name: parse_quantity(str(text)).nanos for name, text in amounts.items()}


def requests(spec: JSON, names: Iterable[str]) -> dict[str, int]:
    """Return what a pod requests of the named resources, in nanos; what it does not ask for is left out."""
    totals = {name: pod_total(spec, name).nanos for name in names}
    return {name: total for name, total in totals.items() if total}


def is_counted(name: str, limits: Iterable[str]) -> bool:
    """Return whether a resource is bounded: one that the node names, or an extended one, of which it else has none."""
    return name in limits or ("/" in name and "kubernetes.io/" not in name)


def short_of(asked: Amounts, free: Amounts) -> list[str]:
    """Return the resources of which less is free than asked for, in the scheduler's words."""
    return sorted(f"1 Insufficient {name}" for name, amount in asked.items() if amount > free.get(name, 0))


def turn(pod: JSON) -> tuple[int, float, int, str]:
    """Return a key that sorts first who is to be placed first: by priority, then by age."""
    metadata = metadata_of(pod)
    created = find_time(metadata.get("creationTimestamp"))
    name = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
    # of one second, exec-2 comes before exec-10
    return -int(spec_of(pod).get("priority") or 0), created.timestamp() if created else 0.0, len(name), name
