"""Nodes: one per architecture that stands for the provider, with what it can run.

The first has the provider's name, which is what pods have as spec.nodeName. Where a provider has no
known limit, the node shows more than any job needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from chalicelib.apimachinery.accessors import annotations_of, spec_of, status_of
from chalicelib.apimachinery.rules.time import format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.cluster import shared_folders
from chalicelib.controllers.cluster.capacity import NodeCapacity
from chalicelib.controllers.cluster.quotas import QUOTAS, quota_annotations
from chalicelib.providers.base import Capacity, Provider, ProviderUnavailable
from chalicelib.registry.options import WriteOptions
from chalicelib.registry.registry import Registry
from chalicelib.resources.cluster.marks import PROVIDER_LABEL
from chalicelib.resources.cluster.nodes import NOT_READY
from chalicelib.resources.shared.formats import amounts_texts
from chalicelib.storage.base import KeyNotFound, Storage
from chalicelib.storage.keys import object_key

NODES = ("", "nodes")
WRITER = WriteOptions(field_manager="sparkanywhere")
OURS = (shared_folders.SHARED_FOLDERS, QUOTAS)  # annotations that follow the provider
ENDLESS_CPUS, ENDLESS_GIB, ENDLESS_GPUS, PODS = 100_000, 1_000_000, 10_000, 10_000
_INFO_TEXT = "machineID systemUUID bootID kernelVersion osImage containerRuntimeVersion kubeletVersion kubeProxyVersion"
CONDITIONS = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "memory is sufficient"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "disk space is sufficient"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "process numbers are sufficient"),
    ("Ready", "True", "KubeletReady", "the provider takes pods"),
)


class NodeController:
    """Keeps the provider's nodes. Safe to repeat."""

    def __init__(
        self,
        *,
        storage: Storage,
        registries: Mapping[tuple[str, str], Registry],
        provider: Provider,
        capacity: NodeCapacity,
        clock: Callable[[], datetime],
    ) -> None:
        self._storage = storage
        self._registries = registries
        self._provider = provider
        self._capacity = capacity
        self._clock = clock

    def keep(self) -> None:
        """Make the nodes where missing, and write how much there is, and which folders, where that has changed."""
        try:
            capacities, annotations = self._capacity.all(), shared_folders.node_annotations(self._provider)
            annotations |= quota_annotations(self._provider)
        except ProviderUnavailable:
            return  # what is known of it stays
        registry = self._registries[NODES]
        for index, capacity in enumerate(capacities):
            name = self._provider.name + (f"-{capacity.architecture}" if index else "")
            wanted = node_of(name, self._provider.name, capacity, self._clock(), annotations=annotations)
            key = object_key("nodes", None, name)
            try:
                found = self._storage.get(key).object()
            except KeyNotFound:
                registry.create_if_missing(None, wanted, WRITER)
                found = self._storage.get(key).object()
            # admission's, for nodes that have yet to report
            if NOT_READY in spec_of(found).get("taints", ()):
                taints = [each for each in found["spec"]["taints"] if each != NOT_READY]
                changed = {**found, "spec": {**found["spec"], "taints": taints}}
                found = registry.update(None, name, changed, WRITER).stored.object()
            kept = {key: text for key, text in annotations_of(found).items() if key not in OURS}
            if annotations_of(found) != kept | annotations:
                changed = {**found, "metadata": {**found["metadata"], "annotations": kept | annotations}}
                found = registry.update(None, name, changed, WRITER).stored.object()
            if status_of(found).get("capacity") != wanted["status"]["capacity"]:
                changed = {**found, "status": wanted["status"]}
                registry.update(None, name, changed, WRITER, subresource="status")


def node_of(name: str, provider: str, capacity: Capacity, now: datetime, *, annotations: dict[str, str]) -> JSON:
    """Return the node of one architecture of a provider."""
    cpu = f"{capacity.cpu_milli}m" if capacity.cpu_milli is not None else str(ENDLESS_CPUS)
    memory = f"{capacity.memory_mib}Mi" if capacity.memory_mib is not None else f"{ENDLESS_GIB}Gi"
    amounts = {"cpu": cpu, "memory": memory, "pods": str(PODS)}
    if capacity.gpus != 0:
        amounts["nvidia.com/gpu"] = str(ENDLESS_GPUS if capacity.gpus is None else capacity.gpus)
    amounts = amounts_texts(amounts)
    labels = {
        "kubernetes.io/arch": capacity.architecture,
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        PROVIDER_LABEL: provider,
    }
    info = {**dict.fromkeys(_INFO_TEXT.split(), ""), "architecture": capacity.architecture}
    info |= {"operatingSystem": "linux", "containerRuntimeVersion": f"{provider}://", "kubeletVersion": "virtual"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, **({"annotations": annotations} if annotations else {})},
        "spec": {},
        "status": {
            "capacity": amounts,
            "allocatable": dict(amounts),
            "conditions": _conditions(now),
            "addresses": [{"type": "Hostname", "address": name}],
            "nodeInfo": info,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
        },
    }


def _conditions(now: datetime) -> list[JSON]:
    time = format_time(now)
    return [
        {
            "type": kind,
            "status": value,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": time,
            "lastTransitionTime": time,
        }
        for kind, value, reason, message in CONDITIONS
    ]
