"""Endpoints: the addresses behind each Service with a selector, as Endpoints and as one EndpointSlice.

Compare kubernetes/pkg/controller/endpoint and .../endpointslice, v1.36. Both objects belong to their Service and go
with it. Nothing here routes anything: names and addresses of pods are the provider's.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from chalicelib.apimachinery.accessors import is_deleting, is_terminal, labels_of, status_of
from chalicelib.apimachinery.rules.time import format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.workloads.plan import is_ready, owned_by, short_hash
from chalicelib.registry.keys import object_key, parse_key, prefix
from chalicelib.storage.base import KeyExists, KeyNotFound, Storage, guaranteed_update

ENDPOINTS, SLICES = "endpoints", "endpointslices"
SERVICE_LABEL, MANAGER_LABEL = "kubernetes.io/service-name", "endpointslice.kubernetes.io/managed-by"
HEADLESS_LABEL = "service.kubernetes.io/headless"
MANAGER = "endpointslice-controller.k8s.io"


class EndpointController:
    """Keeps the addresses of Services. Safe to repeat."""

    def __init__(
        self, *, storage: Storage, clock: Callable[[], datetime], new_uid: Callable[[], str]
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._new_uid = new_uid

    def pod_changed(self, pod: JSON) -> None:
        """Sync the Services whose selector matches a pod."""
        namespace = pod["metadata"].get("namespace", "")
        labels = labels_of(pod)
        for item in self._storage.list(prefix("services", namespace)).items:
            if '"selector"' in item.json:
                selector = item.object()["spec"].get("selector") or {}
                if selector and selector.items() <= labels.items():
                    self.sync(namespace, parse_key(item.key)[2])

    def sync(self, namespace: str, name: str) -> None:
        """Write the addresses of one Service, if it has a selector."""
        try:
            service = self._storage.get(object_key("services", namespace, name)).object()
        except KeyNotFound:
            return
        selector = service["spec"].get("selector") or {}
        if not selector or service["spec"].get("type") == "ExternalName" or is_deleting(service):
            return
        pods = [
            pod
            for item in self._storage.list(prefix("pods", namespace)).items
            if _is_behind(pod := item.object(), selector)
        ]
        self._write(ENDPOINTS, namespace, endpoints_of(service, pods))
        self._write(SLICES, namespace, slice_of(service, pods))

    def sweep(self) -> None:
        """Sync every Service."""
        for item in self._storage.list(prefix("services")).items:
            _, namespace, name = parse_key(item.key)
            self.sync(namespace, name)

    def _write(self, resource: str, namespace: str, obj: JSON) -> None:
        """Write into the store itself: pods of local processes have loopback addresses, which no client may write."""
        key = object_key(resource, namespace, obj["metadata"]["name"])
        now = format_time(self._clock())
        fresh = {**obj["metadata"], "uid": self._new_uid(), "creationTimestamp": now}
        try:
            guaranteed_update(self._storage, key, lambda old: _updated(old, obj))
        except KeyNotFound:
            with suppress(KeyExists):  # another was faster
                self._storage.create(key, {**obj, "metadata": fresh})


def _updated(old: JSON, new: JSON) -> JSON:
    kept = {key: value for key, value in old.items() if key != "subsets"}
    return {**kept, **new, "metadata": {**old["metadata"], **new["metadata"]}}


def _is_behind(pod: JSON, selector: dict[str, str]) -> bool:
    labels = labels_of(pod)
    has_address = bool(status_of(pod).get("podIP"))
    return selector.items() <= labels.items() and has_address and not is_terminal(pod)


def _counts_as_ready(service: JSON, pod: JSON) -> bool:
    return bool(service["spec"].get("publishNotReadyAddresses")) or (is_ready(pod) and not is_deleting(pod))


def _metadata(service: JSON, name: str, **labels: str) -> JSON:
    given = labels_of(service)
    is_headless = service["spec"].get("clusterIP") == "None"
    return {
        "name": name,
        "namespace": service["metadata"]["namespace"],
        "labels": {**given, **labels, **({HEADLESS_LABEL: ""} if is_headless else {})},
        "ownerReferences": owned_by(service, "v1", "Service"),
    }


def _port_number(port: JSON, pods: list[JSON]) -> int:
    """Return the number of a target port, which may be named in the pods."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    for pod in pods:
        for container in pod["spec"]["containers"]:
            for each in container.get("ports") or ():
                if each.get("name") == target:
                    return int(each["containerPort"])
    return int(port["port"])


def _ports(service: JSON, pods: list[JSON]) -> list[JSON]:
    found = []
    for port in service["spec"].get("ports") or ():
        entry = {"port": _port_number(port, pods), "protocol": port.get("protocol", "TCP")}
        found.append({**({"name": port["name"]} if port.get("name") else {}), **entry})
    return found


def _target(pod: JSON) -> JSON:
    metadata = pod["metadata"]
    return {
        "kind": "Pod",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }


def endpoints_of(service: JSON, pods: list[JSON]) -> JSON:
    """Return the Endpoints of a Service and the pods behind it."""
    addresses: dict[str, list[JSON]] = {"addresses": [], "notReadyAddresses": []}
    for pod in sorted(pods, key=lambda each: str(each["status"]["podIP"])):
        address: JSON = {"ip": pod["status"]["podIP"], "targetRef": _target(pod)}
        if pod["spec"].get("nodeName"):
            address["nodeName"] = pod["spec"]["nodeName"]
        if pod["spec"].get("hostname") and pod["spec"].get("subdomain") == service["metadata"]["name"]:
            address["hostname"] = pod["spec"]["hostname"]
        addresses["addresses" if _counts_as_ready(service, pod) else "notReadyAddresses"].append(address)
    subset: JSON = {kind: found for kind, found in addresses.items() if found}
    made: JSON = {"metadata": _metadata(service, service["metadata"]["name"])}
    if subset:
        ports = _ports(service, pods)
        made["subsets"] = [{**subset, **({"ports": ports} if ports else {})}]
    return made


def slice_of(service: JSON, pods: list[JSON]) -> JSON:
    """Return the EndpointSlice of a Service and the pods behind it."""
    name = service["metadata"]["name"]
    endpoints = []
    for pod in sorted(pods, key=lambda each: str(each["status"]["podIP"])):
        ready = _counts_as_ready(service, pod)
        endpoint: JSON = {
            "addresses": [pod["status"]["podIP"]],
            "conditions": {"ready": ready, "serving": is_ready(pod), "terminating": is_deleting(pod)},
            "targetRef": _target(pod),
        }
        if pod["spec"].get("nodeName"):
            endpoint["nodeName"] = pod["spec"]["nodeName"]
        endpoints.append(endpoint)
    return {
        "metadata": _metadata(
            service,
            f"{name}-{short_hash(service['metadata']['uid'])}",
            **{SERVICE_LABEL: name, MANAGER_LABEL: MANAGER},
        ),
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "", **port} for port in _ports(service, pods)],
    }
