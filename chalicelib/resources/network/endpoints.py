"""Endpoints and EndpointSlices: who stands behind a Service.

Compare ValidateEndpoints (core) and ValidateEndpointSlice (discovery), kubernetes v1.36.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery.accessors import metadata_of
from chalicelib.apimachinery.field_docs import field_doc
from chalicelib.apimachinery.rules import meta, names
from chalicelib.apimachinery.rules.causes import (
    duplicate,
    immutable,
    invalid,
    not_supported,
    required,
    too_many,
)
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, Column, Strategy
from chalicelib.registry.subresources import WRITE_VERBS
from chalicelib.resources.pods.defaults import drop_empty
from chalicelib.resources.shared.formats import NOT_AN_IP, PORT_RANGE, is_ip, is_port
from chalicelib.resources.shared.table_text import list_text

PROTOCOLS = ("SCTP", "TCP", "UDP")
ADDRESS_TYPES = ("IPv4", "IPv6", "FQDN")
MAX_ENDPOINTS, MAX_ADDRESSES, MAX_PORTS = 1000, 100, 20000
DEPRECATED = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
_PLAIN = frozenset(("addresses", "appProtocol", "hostname", "name", "notReadyAddresses", "ports", "subsets"))


class EndpointsStrategy(Strategy):
    """core/v1 endpoints."""

    creates_on_update = True
    resource, singular, kind = "endpoints", "endpoints", "Endpoints"
    in_view, edit_verbs = True, WRITE_VERBS
    short_names = ("ep",)
    deprecation = DEPRECATED
    columns = (
        NAME_COLUMN,
        Column("Endpoints", description=field_doc("Endpoints.subsets")),
        AGE_COLUMN,
    )

    def default(self, obj: JSON) -> None:
        """Set the protocol of ports and leave out what is empty."""
        drop_empty(obj, _PLAIN)
        for subset in obj.get("subsets", ()):
            drop_empty(subset, _PLAIN)
            for port in subset.get("ports", ()):
                drop_empty(port, _PLAIN)
                port["protocol"] = port.get("protocol") or "TCP"

    def validate(self, obj: JSON) -> list[Cause]:
        """Return what is wrong with addresses and ports."""
        return list(_subsets_causes(obj.get("subsets", [])))

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return name, the first three endpoints and age."""
        metadata = metadata_of(obj)
        age = meta.age(metadata.get("creationTimestamp"), now)
        return [metadata.get("name", ""), _endpoints_text(obj.get("subsets") or []), age]


class EndpointSliceStrategy(Strategy):
    """discovery.k8s.io/v1 endpointslices."""

    group, resource, singular, kind = "discovery.k8s.io", "endpointslices", "endpointslice", "EndpointSlice"
    in_view = True
    has_generation = True
    empty: ClassVar[JSON] = {"addressType": "", "endpoints": None, "ports": None}
    columns = (
        NAME_COLUMN,
        Column("AddressType", description=field_doc("EndpointSlice.addressType")),
        Column("Ports", description=field_doc("EndpointSlice.ports")),
        Column("Endpoints", description=field_doc("EndpointSlice.endpoints")),
        AGE_COLUMN,
    )

    def default(self, obj: JSON) -> None:
        """Set name and protocol of ports, and write lists that Go always writes."""
        for key in ("endpoints", "ports"):
            obj[key] = obj.get(key) or None
        for port in obj["ports"] or ():
            port.setdefault("name", "")
            port.setdefault("protocol", "TCP")
        for endpoint in obj["endpoints"] or ():
            endpoint["conditions"] = endpoint.get("conditions") or {}

    def validate(self, obj: JSON) -> list[Cause]:
        """Return what is wrong with the slice."""
        return list(_slice_causes(obj))

    def validate_update(self, obj: JSON, old: JSON) -> list[Cause]:
        """Hold the type of addresses."""
        return [
            *self.validate(obj),
            *immutable("addressType", obj.get("addressType"), old.get("addressType")),
        ]

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return the row that `kubectl get endpointslices` shows."""
        metadata = metadata_of(obj)
        ports = [str(port.get("port") or port.get("name") or "*") for port in obj.get("ports") or ()]
        addresses = [ip for each in obj.get("endpoints") or () for ip in each.get("addresses") or ()]
        return [
            metadata.get("name", ""),
            obj.get("addressType", ""),
            list_text(ports),
            list_text(addresses),
            meta.age(metadata.get("creationTimestamp"), now),
        ]


def _endpoints_text(subsets: list[JSON]) -> str:
    shown: list[str] = []
    for subset in subsets:
        ips = [each.get("ip", "") for each in subset.get("addresses") or ()]
        ports = subset.get("ports") or ()
        shown += [_host_port(ip, port.get("port", 0)) for port in ports for ip in ips] if ports else ips
    return list_text(shown, "" if subsets else "<none>")


def _host_port(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _subsets_causes(subsets: list[JSON]) -> Iterator[Cause]:
    for index, subset in enumerate(subsets):
        at = f"subsets[{index}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            yield required(at, "must specify `addresses` or `notReadyAddresses`")
        for kind in ("addresses", "notReadyAddresses"):
            for number, address in enumerate(subset.get(kind, ())):
                yield from _address_causes(address, f"{at}.{kind}[{number}]")
        ports = subset.get("ports", [])
        for number, port in enumerate(ports):
            yield from _port_causes(port, f"{at}.ports[{number}]", is_named=len(ports) > 1)


def _address_causes(address: JSON, at: str) -> Iterator[Cause]:
    ip = address.get("ip") or ""
    if not is_ip(ip):
        yield invalid(f"{at}.ip", ip, NOT_AN_IP)
    else:
        yield from _special_causes(ip, f"{at}.ip")
    for error in names.dns_label_errors(address["hostname"]) if address.get("hostname") else ():
        yield invalid(f"{at}.hostname", address["hostname"], error)


def _special_causes(ip: str, at: str) -> Iterator[Cause]:
    """Refuse addresses at which no pod can be reached from another machine."""
    parsed = ipaddress.ip_address(ip)
    if parsed.is_unspecified:
        yield invalid(at, ip, "may not be unspecified (0.0.0.0 or ::)")
    if parsed.is_loopback:
        yield invalid(at, ip, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if parsed.is_link_local:
        yield invalid(at, ip, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if parsed.is_multicast:
        yield invalid(at, ip, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


def _port_causes(port: JSON, at: str, *, is_named: bool) -> Iterator[Cause]:
    name = port.get("name") or ""
    if is_named and not name:
        yield required(f"{at}.name")
    elif name:
        for error in names.dns_label_errors(name):
            yield invalid(f"{at}.name", name, error)
    if not is_port(port.get("port")):
        yield invalid(f"{at}.port", port.get("port") or 0, PORT_RANGE)
    if port.get("protocol") not in PROTOCOLS:
        yield not_supported(f"{at}.protocol", port.get("protocol"), PROTOCOLS)


def _slice_causes(obj: JSON) -> Iterator[Cause]:
    kind, endpoints = obj.get("addressType") or "", obj["endpoints"] or []
    if not kind:
        yield required("addressType")
    elif kind not in ADDRESS_TYPES:
        yield not_supported("addressType", kind, ADDRESS_TYPES)
    if len(endpoints) > MAX_ENDPOINTS:
        yield too_many("endpoints", len(endpoints), MAX_ENDPOINTS)
    for index, endpoint in enumerate(endpoints[:MAX_ENDPOINTS]):
        addresses, at = endpoint.get("addresses") or [], f"endpoints[{index}]"
        if not addresses:
            yield required(f"{at}.addresses", "must contain at least 1 address")
        if len(addresses) > MAX_ADDRESSES:
            yield too_many(f"{at}.addresses", len(addresses), MAX_ADDRESSES)
        for number, address in enumerate(addresses[:MAX_ADDRESSES]):
            yield from _slice_address_causes(address, f"{at}.addresses[{number}]", kind=kind)
    yield from _slice_ports_causes(obj["ports"] or [])


def _slice_ports_causes(ports: list[JSON]) -> Iterator[Cause]:
    if len(ports) > MAX_PORTS:
        yield too_many("ports", len(ports), MAX_PORTS)
        return
    seen = set()
    for index, port in enumerate(ports):
        at, name = f"ports[{index}]", port.get("name") or ""
        if name in seen:
            yield duplicate(f"{at}.name", name)
        seen.add(name)
        for error in names.dns_label_errors(name) if name else ():
            yield invalid(f"{at}.name", name, error)
        if port.get("protocol") not in PROTOCOLS:
            yield not_supported(f"{at}.protocol", port.get("protocol"), PROTOCOLS)


def _slice_address_causes(address: str, at: str, *, kind: str) -> Iterator[Cause]:
    if kind == "FQDN":
        for error in names.dns_subdomain_errors(address):
            yield invalid(at, address, error)
    elif not is_ip(address):
        yield invalid(at, address, NOT_AN_IP)
    elif (":" in address) != (kind == "IPv6"):
        yield invalid(at, address, f"must be an {kind} address")
    else:
        yield from _special_causes(address, at)
