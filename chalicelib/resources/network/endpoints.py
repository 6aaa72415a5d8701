"""Endpoints and EndpointSlices: who is behind a Service, as clients write it; of ours is that of `kubernetes` alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery.accessors import metadata_of
from chalicelib.apimachinery.field_docs import field_doc
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.causes import immutable, not_supported, required
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, Column, Strategy
from chalicelib.registry.subresources import WRITE_VERBS
from chalicelib.resources.pods.defaults import drop_empty
from chalicelib.resources.shared.table_text import list_text

ADDRESS_TYPES = ("IPv4", "IPv6", "FQDN")
DEPRECATED = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
_PLAIN = frozenset(("addresses", "appProtocol", "hostname", "name", "notReadyAddresses", "ports", "subsets"))


class EndpointsStrategy(Strategy):
    """core/v1 endpoints."""

    creates_on_update = True
    resource, singular, kind = "endpoints", "endpoints", "Endpoints"
    in_view, edit_verbs = True, WRITE_VERBS
    short_names = ("ep",)
    deprecation = DEPRECATED
    columns = (NAME_COLUMN, Column("Endpoints", description=field_doc("Endpoints.subsets")), AGE_COLUMN)

    def default(self, obj: JSON) -> None:
        """Set the protocol of ports and leave out what is empty."""
        drop_empty(obj, _PLAIN)
        for subset in obj.get("subsets", ()):
            drop_empty(subset, _PLAIN)
            for port in subset.get("ports", ()):
                drop_empty(port, _PLAIN)
                port["protocol"] = port.get("protocol") or "TCP"

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return name, the first three endpoints and age."""
        metadata, subsets = metadata_of(obj), obj.get("subsets") or []
        shown: list[str] = []
        for subset in subsets:
            ips = [each.get("ip", "") for each in subset.get("addresses") or ()]
            ports = subset.get("ports") or ()
            hosts = [f"[{ip}]" if ":" in ip else ip for ip in ips]
            shown += [f"{host}:{port.get('port', 0)}" for port in ports for host in hosts] if ports else ips
        age = meta.age(metadata.get("creationTimestamp"), now)
        return [metadata.get("name", ""), list_text(shown, "" if subsets else "<none>"), age]


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
        """Return what is wrong with the type of addresses."""
        kind = obj.get("addressType") or ""
        if not kind:
            return [required("addressType")]
        return [] if kind in ADDRESS_TYPES else [not_supported("addressType", kind, ADDRESS_TYPES)]

    def validate_update(self, obj: JSON, old: JSON) -> list[Cause]:
        """Hold the type of addresses."""
        return [*self.validate(obj), *immutable("addressType", obj.get("addressType"), old.get("addressType"))]

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
