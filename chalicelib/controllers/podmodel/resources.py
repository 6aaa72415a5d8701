"""Requests and limits of a pod's containers as numbers, and as values of resourceFieldRefs.

Compare kubernetes/pkg/api/v1/resource/helpers.go (v1.36): init containers run before the others, so a
pod needs the larger of their maximum and the sum of the rest; sidecars run beside both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from chalicelib.apimachinery.accessors import spec_of
from chalicelib.apimachinery.rules.quantity import NANO, parse_quantity
from chalicelib.apimachinery.types import JSON

MIB = 1024 * 1024
GIB = 1024 * MIB
GPU_RESOURCES = ("nvidia.com/gpu", "amd.com/gpu")


@dataclass(frozen=True, slots=True)
class NodeSize:
    """What a container without a limit may count on: resourceFieldRefs of limits say so. 0 is unknown."""

    cpu_milli: int = 0
    memory_mib: int = 0


UNKNOWN_SIZE = NodeSize()


def number(text: str | int) -> Fraction:
    """Return a quantity (`500m`, `1Gi`) as a number of its base unit. Raises ValueError."""
    return Fraction(parse_quantity(str(text)).nanos, NANO)


def amount(container: JSON, kind: str, name: str) -> Fraction | None:
    """Return a request or limit in its base unit (cores, bytes), None if the container names none."""
    text = ((container.get("resources") or {}).get(kind) or {}).get(name)
    return None if text is None else number(text)


def requested(container: JSON, name: str) -> Fraction:
    """Return the request, else the limit, else 0: what a real server's defaulting gives."""
    request = amount(container, "requests", name)
    found = request if request is not None else amount(container, "limits", name)
    return found if found is not None else Fraction(0)


def cpu_limit_milli(container: JSON) -> int | None:
    """Return the CPU limit in thousandths of a core, None for none."""
    limit = amount(container, "limits", "cpu")
    return None if not limit else ceil(limit * 1000)


def memory_limit_mib(container: JSON) -> int | None:
    """Return the memory limit in MiB, rounded up, None for none."""
    limit = amount(container, "limits", "memory")
    return None if not limit else ceil(limit / MIB)


def gpus(container: JSON) -> int:
    """Return how many GPUs of any vendor the container asks for."""
    return sum(ceil(requested(container, name)) for name in GPU_RESOURCES)


def is_sidecar(container: JSON) -> bool:
    """Return whether an init container goes on beside the main ones."""
    return container.get("restartPolicy") == "Always"


def pod_total(spec: JSON, name: str) -> Fraction:
    """Return what the whole pod must have of a resource, in its base unit."""
    sidecars = largest_init = Fraction(0)
    for container in spec.get("initContainers") or ():
        needs = requested(container, name)
        if is_sidecar(container):
            sidecars += needs
            largest_init = max(largest_init, sidecars)
        else:
            largest_init = max(largest_init, sidecars + needs)
    main = sum((requested(container, name) for container in spec.get("containers") or ()), sidecars)
    overhead = (spec.get("overhead") or {}).get(name)
    return max(main, largest_init) + (number(overhead) if overhead is not None else 0)


def disk_gib(spec: JSON) -> int:
    """Return the disk a pod asks for, in GiB rounded up: ephemeral storage, or its scratch volumes.

    A claim of a template in the pod itself is one of them; of others the pod does not say their size.
    """
    scratch = Fraction(0)
    for volume in spec.get("volumes") or ():
        empty = volume.get("emptyDir") or {}
        if empty.get("sizeLimit") and empty.get("medium", "") == "":
            scratch += number(empty["sizeLimit"])
        template = spec_of((volume.get("ephemeral") or {}).get("volumeClaimTemplate") or {})
        claimed = ((template.get("resources") or {}).get("requests") or {}).get("storage")
        scratch += number(claimed) if claimed else 0
    return ceil(max(pod_total(spec, "ephemeral-storage"), scratch) / GIB)


def field_value(spec: JSON, reference: JSON, *, container_name: str, node: NodeSize) -> str:
    """Return the value of a resourceFieldRef: the amount over the divisor, rounded up.

    A missing limit counts as the node's size, a missing request as 0. Raises LookupError for a
    container or resource that is not there.
    """
    name = reference.get("containerName") or container_name
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    container = next((each for each in containers if each.get("name") == name), None)
    if container is None:
        raise LookupError(f"container {name} not found")
    kind, _, resource = str(reference.get("resource", "")).partition(".")
    if kind not in ("limits", "requests"):
        raise LookupError(f"Unsupported container resource : {reference.get('resource')}")
    found = amount(container, kind, resource)
    if not found:
        found = _node_amount(node, resource) if kind == "limits" else Fraction(0)
    divisor = number(reference.get("divisor") or "1") or Fraction(1)
    return str(ceil(found / divisor))


def _node_amount(node: NodeSize, resource: str) -> Fraction:
    sizes: dict[str, Callable[[], Fraction]] = {
        "cpu": lambda: Fraction(node.cpu_milli, 1000),
        "memory": lambda: Fraction(node.memory_mib) * MIB,
    }
    return sizes.get(resource, lambda: Fraction(0))()
