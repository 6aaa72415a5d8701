"""What containers name as requests and limits, and what they come to for a pod.

Compare AggregateContainerRequests in k8s.io/component-helpers/resource/helpers.go (v1.36): init containers run before
the others, so a pod needs the larger of their maximum and the sum of the rest; sidecars run beside both.
"""

from __future__ import annotations

from chalicelib.apimachinery.rules.quantity import Quantity, parse_quantity
from chalicelib.apimachinery.types import JSON

ZERO = Quantity()


def amounts(holder: JSON, kind: str) -> JSON:
    """Return what a container, or a pod spec, names as its `requests` or `limits`; a limit alone is a request too."""
    resources = holder.get("resources") or {}
    limits = resources.get("limits") or {}
    return limits if kind == "limits" else {**limits, **(resources.get("requests") or {})}


def amount(holder: JSON, kind: str, name: str) -> Quantity:
    """Return one of these amounts, 0 if there is none. Raises ValueError."""
    return parse_quantity(str(amounts(holder, kind).get(name, "0")))


def is_sidecar(container: JSON) -> bool:
    """Return whether an init container goes on beside the main ones."""
    return container.get("restartPolicy") == "Always"


def is_of_pods(name: str) -> bool:
    """Return whether a resource can be asked for by a pod as a whole."""
    return name in ("cpu", "memory") or name.startswith("hugepages-")


def containers_total(spec: JSON, name: str, kind: str) -> Quantity:
    """Return what a pod's containers come to of a resource. Raises ValueError."""
    running = largest_init = ZERO
    for container in spec.get("initContainers") or ():
        needs = amount(container, kind, name)
        if is_sidecar(container):
            running += needs
        else:
            largest_init = max(largest_init, running + needs)
    for container in spec.get("containers") or ():
        running += amount(container, kind, name)
    return max(largest_init, running)
