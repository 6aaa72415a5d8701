"""Whether any node could ever hold a job's pods, before anything of it is made.

Only of our own nodes, which say what a provider has at most: another cluster may grow as it needs.
"""

from __future__ import annotations

from chalicelib.apimachinery.accessors import labels_of, status_of
from chalicelib.apimachinery.rules.quantity import parse_quantity
from chalicelib.apimachinery.types import JSON
from chalicelib.providers.fargate.sizes import CPU_UNITS, MEMORY
from sparkanywhere.client.kube_client import ApiError, KubeClient
from sparkanywhere.jobs import memory
from sparkanywhere.jobs.spark_properties import overhead_factor
from sparkanywhere.jobs.spec import JobSpec, SpecError

PROVIDER_LABEL = "sparkanywhere.io/provider"
LARGEST_TASK = max(MEMORY)  # cpu units of Fargate's largest task


def check_capacity(client: KubeClient, spec: JobSpec) -> None:
    """Return if the driver and an executor fit somewhere. Raises SpecError, ApiUnreachable."""
    try:
        nodes = client.get("/api/v1/nodes")["items"]
    except ApiError:
        return  # who may not look at nodes hears of it when the pod waits
    problem = too_big(spec, nodes)
    if problem:
        raise SpecError(problem)


def too_big(spec: JobSpec, nodes: list[JSON]) -> str:
    """Return which pod no node can ever hold and what to change, "" if all fit or nobody knows."""
    rooms = [_room(node) for node in nodes if _tells(node)]
    if not rooms or len(rooms) < len(nodes):
        return ""
    cores, mib = max(room[0] for room in rooms), max(room[1] for room in rooms)
    factor = overhead_factor(spec)
    asked = {
        "driver": (spec.driver_cores, spec.driver_memory),
        "executor": (spec.executor_cores, spec.executor_memory),
    }
    for role, (wanted_cores, heap) in asked.items():
        overhead = spec.conf.get(f"spark.{role}.memoryOverhead", "")
        wanted = memory.pod_mib(heap, overhead=overhead, factor=factor)
        if wanted > mib:
            return (
                f"--{role}-memory {heap} makes a pod of {wanted} MiB with its overhead, and the largest that can be"
                f" had here has {mib} MiB: lower it."
            )
        if wanted_cores > cores:
            return f"--{role}-cores {wanted_cores} is more than the {cores:g} that can be had here: lower it."
    return ""


def _tells(node: JSON) -> bool:
    """Return whether a node is one of ours and says how much it has."""
    has_amounts = "memory" in (status_of(node).get("allocatable") or {})
    return has_amounts and PROVIDER_LABEL in labels_of(node)


def _room(node: JSON) -> tuple[float, int]:
    """Return (cores, MiB) of the largest pod that a node can hold. Processes may share cores as they like."""
    provider = node["metadata"]["labels"][PROVIDER_LABEL]
    if provider == "fargate":
        return LARGEST_TASK / CPU_UNITS, MEMORY[LARGEST_TASK][1]
    amounts = node["status"]["allocatable"]
    mib = int(parse_quantity(str(amounts["memory"])).mebibytes)
    cores = parse_quantity(str(amounts.get("cpu", "0"))).milli / 1000
    return float("inf") if provider == "process" else cores, mib
