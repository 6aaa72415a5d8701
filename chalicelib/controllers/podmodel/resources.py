"""Requests and limits of a pod's containers, their totals for the pod, and values of resourceFieldRefs.

Compare PodRequests and PodLimits in k8s.io/component-helpers/resource/helpers.go (v1.36).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from chalicelib.apimachinery.accessors import spec_of
from chalicelib.apimachinery.rules.quantity import NANO, Quantity, parse_quantity
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.pods.totals import ZERO, amount, amounts, containers_total, is_of_pods
from chalicelib.resources.volumes.claims import storage_of

MIB = 1024 * 1024
GIB = 1024 * MIB
GPU_RESOURCES = ("nvidia.com/gpu", "amd.com/gpu")


@dataclass(frozen=True, slots=True)
class NodeSize:
    """What a container without a limit may count on: resourceFieldRefs of limits say so. 0 is unknown."""

    cpu_milli: int = 0
    memory_mib: int = 0


UNKNOWN_SIZE = NodeSize()


def cpu_limit_milli(container: JSON) -> int | None:
    """Return the CPU limit of a container, or of a pod spec, in thousandths of a core, None for none."""
    return amount(container, "limits", "cpu").milli or None


def memory_limit_mib(container: JSON) -> int | None:
    """Return the memory limit of a container, or of a pod spec, in MiB, rounded up, None for none."""
    return amount(container, "limits", "memory").mebibytes or None


def gpus(container: JSON) -> int:
    """Return how many GPUs of any vendor the container asks for."""
    return sum(amount(container, "requests", name).value for name in GPU_RESOURCES)


def all_containers(spec: JSON) -> list[JSON]:
    """Return the init containers, then the others."""
    return [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]


def pod_total(spec: JSON, name: str, kind: str = "requests") -> Quantity:
    """Return what the whole pod requests of a resource, or its limit: its own word, or else what its containers say."""
    is_own = is_of_pods(name) and name in amounts(spec, kind)
    total = amount(spec, kind, name) if is_own else containers_total(spec, name, kind)
    return total + parse_quantity(str((spec.get("overhead") or {}).get(name, "0")))


def pod_totals(spec: JSON, kind: str) -> dict[str, Quantity]:
    """Return the pod's total of each resource that it or one of its containers names, or its overhead."""
    named = [amounts(each, kind) for each in (spec, *all_containers(spec))]
    names = {name for each in [*named, spec.get("overhead") or {}] for name in each}
    return {name: pod_total(spec, name, kind) for name in sorted(names)}


def disk_gib(spec: JSON) -> int:
    """Return the disk a pod asks for, in GiB rounded up: ephemeral storage, or its scratch volumes.

    A claim of a template in the pod itself is one of them; of others the pod does not say their size.
    """
    scratch = ZERO
    for volume in spec.get("volumes") or ():
        empty = volume.get("emptyDir") or {}
        if empty.get("sizeLimit") and empty.get("medium", "") == "":
            scratch += parse_quantity(str(empty["sizeLimit"]))
        claimed = claimed_storage((volume.get("ephemeral") or {}).get("volumeClaimTemplate") or {})
        scratch += parse_quantity(claimed or "0")
    return ceil(max(pod_total(spec, "ephemeral-storage"), scratch).value / GIB)


def claimed_storage(claim: JSON) -> str | None:
    """Return the storage that a PersistentVolumeClaim requests."""
    return storage_of(spec_of(claim))


def resource_field(spec: JSON, reference: JSON, *, container_name: str, node: NodeSize) -> str:
    """Return the value of a resourceFieldRef: the amount over the divisor, rounded up.

    A missing limit counts as the node's size, a missing request as 0. Raises LookupError for a
    container or resource that is not there.
    """
    name = reference.get("containerName") or container_name
    container = next((each for each in all_containers(spec) if each.get("name") == name), None)
    if container is None:
        raise LookupError(f"container {name} not found")
    kind, _, resource = str(reference.get("resource", "")).partition(".")
    if kind not in ("limits", "requests"):
        raise LookupError(f"Unsupported container resource : {reference.get('resource')}")
    named = (container.get("resources") or {}).get(kind) or {}
    found = parse_quantity(str(named.get(resource, "0"))).nanos
    if not found and kind == "limits":
        of_node = {"cpu": node.cpu_milli * NANO // 1000, "memory": node.memory_mib * MIB * NANO}
        found = of_node.get(resource, 0)
    divisor = parse_quantity(str(reference.get("divisor") or "1")).nanos or NANO
    return str(-(-found // divisor))
