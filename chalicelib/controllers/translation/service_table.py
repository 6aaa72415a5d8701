"""Services and the pods behind them, as a provider's table of names and forwards. Pure.

Compare the "Kubernetes DNS-Based Service Discovery" specification (1.1) and kubernetes/pkg/proxy (v1.36).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from chalicelib.apimachinery.accessors import is_deleting, labels_of, spec_of, status_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.translation.network import has_address, selects, service_name
from chalicelib.providers.service_table import Forward, ServiceTable

SERVICE_LABEL = "kubernetes.io/service-name"  # of an EndpointSlice: the Service that it belongs to
Key = tuple[str, str]  # namespace, name


@dataclass(frozen=True, slots=True)
class Backend:
    """Somebody behind a Service: an address, the ports it has by their names, and the pod where it is one."""

    address: str
    ready: bool = True
    hostname: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)
    pod: JSON | None = None


def service_table(
    services: Sequence[JSON],
    pods: Iterable[JSON],
    slices: Iterable[JSON],
    *,
    network: IPv4Network | None,
    revision: int,
) -> ServiceTable:
    """Return the table. Without a network, and for a headless Service, a name leads to the pods themselves."""
    behind = _backends(services, pods, slices)
    names: dict[str, tuple[str, ...]] = {}
    canonical: dict[str, str] = {}
    forwards: list[Forward] = []
    for service in services:
        metadata, spec = service["metadata"], spec_of(service)
        key = (metadata.get("namespace", ""), metadata["name"])
        name = service_name(key[1], key[0])
        if spec.get("type") == "ExternalName":
            canonical[name] = str(spec.get("externalName", "")).rstrip(".").lower()
            continue
        unready_too = bool(spec.get("publishNotReadyAddresses"))
        found = [each for each in behind.get(key, ()) if each.ready or unready_too]
        if has_address(service, network):
            names[name] = (spec["clusterIP"],)
            forwards += _forwards(spec, found)
            continue
        names[name] = tuple(sorted({each.address for each in found}))
        for each in found:
            if each.hostname:
                own = f"{each.hostname}.{name}"
                names[own] = (*names.get(own, ()), each.address)
    return ServiceTable(
        revision=revision,
        names=tuple(sorted(names.items())),
        canonical=tuple(sorted(canonical.items())),
        forwards=tuple(forwards),
    )


def wanted_labels(services: Iterable[JSON]) -> dict[tuple[str, str, str], list[JSON]]:
    """Return Services by namespace and one label that they select by, of their labels the one that fewest share."""
    with_selector = [each for each in services if spec_of(each).get("selector")]
    shared = Counter(label for each in with_selector for label in _selector_labels(each))
    found: dict[tuple[str, str, str], list[JSON]] = defaultdict(list)
    for each in with_selector:
        found[min(_selector_labels(each), key=lambda label: shared[label])].append(each)
    return found


def _selector_labels(service: JSON) -> list[tuple[str, str, str]]:
    namespace = service["metadata"].get("namespace", "")
    return [(namespace, key, value) for key, value in spec_of(service)["selector"].items()]


def _backends(services: Sequence[JSON], pods: Iterable[JSON], slices: Iterable[JSON]) -> dict[Key, list[Backend]]:
    found: dict[Key, list[Backend]] = defaultdict(list)
    wanted = wanted_labels(services)
    for pod in pods:
        namespace, address = pod["metadata"].get("namespace", ""), str(status_of(pod).get("podIP") or "")
        for label in labels_of(pod).items() if address else ():
            for service in wanted.get((namespace, *label), ()):
                if selects(service, pod):
                    name = service["metadata"]["name"]
                    found[(namespace, name)].append(_of_pod(pod, address, name))
    selecting = {(namespace, each["metadata"]["name"]) for (namespace, *_), all_ in wanted.items() for each in all_}
    for each in slices:
        key = (each["metadata"].get("namespace", ""), labels_of(each).get(SERVICE_LABEL, ""))
        if key not in selecting:  # who is behind a Service with a selector, its pods alone say
            found[key] += _of_slice(each)
    return found


def _of_pod(pod: JSON, address: str, service: str) -> Backend:
    conditions = status_of(pod).get("conditions") or ()
    ready = any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
    spec = spec_of(pod)
    hostname = spec.get("hostname") or "" if spec.get("subdomain") == service else ""
    return Backend(address, ready and not is_deleting(pod), hostname, pod=pod)


def _of_slice(obj: JSON) -> Iterator[Backend]:
    ports = {str(each.get("name") or ""): int(each.get("port") or 0) for each in obj.get("ports") or ()}
    for endpoint in obj.get("endpoints") or ():
        ready = (endpoint.get("conditions") or {}).get("ready") is not False
        for address in endpoint.get("addresses") or ():
            yield Backend(str(address), ready, str(endpoint.get("hostname") or ""), ports)


def _forwards(spec: JSON, behind: Sequence[Backend]) -> Iterator[Forward]:
    for port in spec.get("ports") or ():
        if (port.get("protocol") or "TCP") == "TCP":
            backends = [(each.address, number) for each in behind if (number := target_port(port, each))]
            sticky = spec.get("sessionAffinity") == "ClientIP"
            yield Forward(spec["clusterIP"], int(port["port"]), tuple(sorted(set(backends))), sticky)


def target_port(port: JSON, backend: Backend) -> int:
    """Return the backend's port for a Service's port; 0 where it has none of that name."""
    if backend.pod is None:
        return backend.ports.get(str(port.get("name") or ""), 0)
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int) or target.isdigit():
        return int(target)
    spec = spec_of(backend.pod)
    for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        for each in container.get("ports") or ():
            if each.get("name") == target and (each.get("protocol") or "TCP") == "TCP":
                return int(each["containerPort"])
    return 0
