"""Addresses and node ports of Services, given out of fixed ranges.

Derived from the Service's uid, so that two servers that give at the same time rarely give the same; only
what other Services already hold is stepped over.

Compare kubernetes/pkg/registry/core/service/storage/alloc.go, v1.36.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable, Iterable

from chalicelib.apimachinery.accessors import metadata_of, spec_of
from chalicelib.apimachinery.rules.causes import invalid
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.shared.formats import is_ip

SERVICE_NETWORK = ipaddress.IPv4Network("10.96.0.0/16")  # where the provider has none that leads anywhere
NODE_PORTS = range(30000, 32768)
_EXPOSED = ("NodePort", "LoadBalancer")
API_SERVICE = "kubernetes"  # of namespace default: the API server itself, which alone may have the first address


def allocate(
    service: JSON, old: JSON | None, siblings: Callable[[], Iterable[JSON]], network: ipaddress.IPv4Network
) -> list[Cause]:
    """Give a Service, in place, the address out of `network` and the node ports it lacks; or return why not."""
    spec, before = service["spec"], spec_of(old or {})
    if spec["type"] == "ExternalName":
        for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            spec.pop(key, None)
        return []
    metadata = metadata_of(service)
    uid = str(metadata.get("uid", ""))
    wants_address = spec.get("clusterIP") != "None" and spec.get("clusterIP") != before.get("clusterIP")
    wants_address = wants_address or "clusterIP" not in spec
    held = _node_ports(before)
    gives_ports = spec["type"] in _EXPOSED and spec.get("allocateLoadBalancerNodePorts") is not False
    ports = [port for port in spec.get("ports", ()) if gives_ports and not port.get("nodePort")]
    asked = {port["nodePort"] for port in spec.get("ports", ()) if port.get("nodePort")} - held
    if not wants_address and not ports and not asked:
        return []
    others = [other for other in siblings() if metadata_of(other).get("uid") != uid]
    taken = {ip for other in others for ip in spec_of(other).get("clusterIPs") or ()}
    if (metadata.get("namespace"), metadata.get("name")) != ("default", API_SERVICE):
        taken.add(str(network[1]))
    causes = _give_address(spec, uid, taken, network) if wants_address else []
    return causes + _give_ports(ports, asked, uid, others)


def _start(uid: str, size: int) -> int:
    return int.from_bytes(hashlib.sha256(uid.encode()).digest()[:8], "big") % size


def _give_address(spec: JSON, uid: str, taken: set[str], network: ipaddress.IPv4Network) -> list[Cause]:
    asked = spec.get("clusterIP")
    if asked:
        why = ""
        if not is_ip(asked) or ipaddress.ip_address(asked) not in network:
            why = "the provided network does not match the current range"
        elif asked in taken:
            why = "provided IP is already allocated"
        why = f"failed to allocate IP {asked}: {why}" if why else ""
        return [invalid("spec.clusterIPs", [asked], why)] if why else []
    size = network.num_addresses
    start = _start(uid, size)
    for step in range(size):
        index = (start + step) % size
        address = str(network[index])
        if 0 < index < size - 1 and address not in taken:
            spec["clusterIP"], spec["clusterIPs"] = address, [address]
            return []
    return [invalid("spec.clusterIPs", [], "failed to allocate a serviceIP: range is full")]


def _node_ports(spec: JSON) -> set[int]:
    return {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}


def _give_ports(ports: list[JSON], asked: set[int], uid: str, others: list[JSON]) -> list[Cause]:
    taken = {number for other in others for number in _node_ports(spec_of(other))}
    causes = []
    for number in sorted(asked):
        if number not in NODE_PORTS:
            valid = f"{NODE_PORTS[0]}-{NODE_PORTS[-1]}"
            why = f"provided port is not in the valid range. The range of valid ports is {valid}"
            causes.append(invalid("spec.ports[0].nodePort", number, why))
        elif number in taken:
            causes.append(invalid("spec.ports[0].nodePort", number, "provided port is already allocated"))
    taken |= asked
    start = _start(uid, len(NODE_PORTS))
    free = (
        number
        for step in range(len(NODE_PORTS))
        if (number := NODE_PORTS[(start + step) % len(NODE_PORTS)]) not in taken
    )
    for port in ports:
        number = next(free, 0)
        if not number:
            causes.append(invalid("spec.ports", [], "failed to allocate a nodePort: range is full"))
            break
        port["nodePort"] = number
    return causes
