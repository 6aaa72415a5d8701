"""How a pod finds others: its host name, where it looks for names, and the variables that lead to services.

Compare "DNS for Services and Pods" in the Kubernetes docs and kubernetes/pkg/kubelet/envvars (v1.36).
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address

from chalicelib.apimachinery.accessors import labels_of, spec_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.runtime.objects import Lookup
from chalicelib.resources.network.service_addresses import API_SERVICE

CLUSTER_DOMAIN = "cluster.local"
SERVICE_DOMAIN = f"svc.{CLUSTER_DOMAIN}"
HOSTNAME_LIMIT = 63  # characters of a DNS label
API_PORT_NAME, API_PORT = "https", 443


@dataclass(frozen=True, slots=True)
class ApiAddress:
    """Where pods reach the API over HTTPS, as the variables KUBERNETES_SERVICE_* say it."""

    host: str
    port: int


def hostname(pod: JSON) -> str:
    """Return what the pod calls itself: spec.hostname, else its name cut to a DNS label."""
    given = spec_of(pod).get("hostname")
    return str(given) if given else str(pod["metadata"]["name"])[:HOSTNAME_LIMIT].rstrip("-.")


def domain(pod: JSON) -> str:
    """Return the domain of the pod's whole name, empty for pods without a subdomain; no Service need be there."""
    subdomain = spec_of(pod).get("subdomain")
    return service_name(subdomain, pod["metadata"].get("namespace", "")) if subdomain else ""


def service_name(name: str, namespace: str) -> str:
    """Return the whole DNS name of a Service."""
    return f"{name}.{namespace}.{SERVICE_DOMAIN}"


def search_domains(pod: JSON) -> tuple[str, ...]:
    """Return the domains in which the pod looks names up, none where its dnsPolicy leaves the cluster out."""
    if spec_of(pod).get("dnsPolicy") in ("Default", "None"):
        return ()
    return (f"{pod['metadata'].get('namespace', '')}.{SERVICE_DOMAIN}", SERVICE_DOMAIN, CLUSTER_DOMAIN)


def host_aliases(pod: JSON) -> tuple[tuple[str, str], ...]:
    """Return the (address, name) pairs of the pod's hostAliases."""
    aliases = spec_of(pod).get("hostAliases") or ()
    return tuple((alias.get("ip", ""), name) for alias in aliases for name in alias.get("hostnames") or ())


def selects(service: JSON, pod: JSON) -> bool:
    """Return whether a Service leads to the pod."""
    spec = spec_of(service)
    selector = spec.get("selector") or {}
    labels = labels_of(pod)
    by_name = spec.get("type") != "ExternalName"
    return by_name and bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def has_address(service: JSON, network: IPv4Network | None) -> bool:
    """Return whether the Service's clusterIP leads to it: an older one may lie outside of the network."""
    address = spec_of(service).get("clusterIP")
    return network is not None and address not in (None, "", "None") and ip_address(address) in network


def service_env(
    pod: JSON, lookup: Lookup, *, api: ApiAddress | None, network: IPv4Network | None
) -> tuple[tuple[str, str], ...]:
    """Return the variables of the API, and of the Services of the pod's namespace that have an address by now."""
    found: dict[str, str] = {}
    if network is not None and spec_of(pod).get("enableServiceLinks") is not False:
        likely = f'"clusterIP":"{str(network[0]).partition(".")[0]}.'  # headless ones, a driver's, need no decoding
        for service in lookup.mentioning("services", pod["metadata"].get("namespace", ""), [likely]):
            if has_address(service, network):
                spec = spec_of(service)
                found |= _variables(service["metadata"]["name"], spec["clusterIP"], spec.get("ports") or [])
    if api is not None:
        port = {"name": API_PORT_NAME, "port": api.port, "protocol": "TCP"}
        found |= _variables(API_SERVICE, api.host, [port])
    return tuple(found.items())


def _variables(name: str, host: str, ports: list[JSON]) -> dict[str, str]:
    prefix = _variable(name)
    found = {f"{prefix}_SERVICE_HOST": host}
    for index, port in enumerate(ports):
        number, protocol = str(port["port"]), port.get("protocol") or "TCP"
        url, link = f"{protocol.lower()}://{host}:{number}", f"{prefix}_PORT_{number}_{protocol.upper()}"
        if index == 0:
            found |= {f"{prefix}_SERVICE_PORT": number, f"{prefix}_PORT": url}
        if port.get("name"):
            found[f"{prefix}_SERVICE_PORT_{_variable(port['name'])}"] = number
        # the form of Docker's links, which Kubernetes has kept
        found |= {link: url, f"{link}_PROTO": protocol.lower(), f"{link}_PORT": number, f"{link}_ADDR": host}
    return found


def _variable(name: str) -> str:
    return name.replace("-", "_").upper()
