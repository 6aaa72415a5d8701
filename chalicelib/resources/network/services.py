"""Services: what is filled in, and what kubectl shows.

Every Service has a clusterIP, also where the provider lets none lead anywhere, since clients print and compare it.
Compare kubernetes/pkg/registry/core/service and pkg/apis/core/v1/defaults.go, v1.36.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from ipaddress import IPv4Network
from typing import ClassVar

from chalicelib.apimachinery.accessors import metadata_of, spec_of, status_of
from chalicelib.apimachinery.field_docs import field_doc
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.causes import invalid
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, Column, Strategy
from chalicelib.registry.subresources import PROXY_VERBS, WRITE_VERBS, StatusStrategy, Subresource
from chalicelib.resources.network.service_addresses import SERVICE_NETWORK, allocate
from chalicelib.resources.network.service_validation import service_causes
from chalicelib.resources.pods.defaults import drop_empty
from chalicelib.resources.shared.table_text import labels_text

NONE = "<none>"
_EXPOSED = ("NodePort", "LoadBalancer")
_ADDRESS_FIELDS = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy")
_PLAIN_TEXT = (
    "clusterIP clusterIPs externalIPs externalName externalTrafficPolicy healthCheckNodePort ipFamilies"
    " loadBalancerIP loadBalancerSourceRanges name nodePort ports publishNotReadyAddresses selector"
    " sessionAffinity type"
)
_PLAIN = frozenset(_PLAIN_TEXT.split())

COLUMNS = (
    NAME_COLUMN,
    Column("Type", description=field_doc("ServiceSpec.type")),
    Column("Cluster-IP", description=field_doc("ServiceSpec.clusterIP")),
    Column("External-IP", description=field_doc("ServiceSpec.externalIPs")),
    Column("Port(s)", description=field_doc("ServiceSpec.ports")),
    AGE_COLUMN,
    Column("Selector", description=field_doc("ServiceSpec.selector"), priority=1),
)


class ServiceStrategy(Strategy):
    """core/v1 services."""

    creates_on_update = True
    resource, singular, kind = "services", "service", "Service"
    in_view, edit_verbs = True, WRITE_VERBS
    short_names, categories = ("svc",), ("all",)
    returns_deleted = True
    status = StatusStrategy({"loadBalancer": {}})
    subresources = (Subresource("proxy", "ServiceProxyOptions", verbs=PROXY_VERBS, edit_verbs=("get", *WRITE_VERBS)),)
    empty: ClassVar[JSON] = {"spec": {}, "status": {"loadBalancer": {}}}
    columns = COLUMNS
    name_errors = staticmethod(meta.dns_label_errors)  # since v1.34 it may start with a digit
    field_label_error = "field label not supported: {}"

    def __init__(self, network: IPv4Network = SERVICE_NETWORK) -> None:
        self._network = network

    def default(self, obj: JSON) -> None:
        """Fill in what does not depend on an address."""
        spec = obj["spec"] = spec_of(obj)
        drop_empty(spec, _PLAIN)
        spec["type"] = kind = spec.get("type") or "ClusterIP"
        spec.setdefault("sessionAffinity", "None")
        if spec["sessionAffinity"] == "ClientIP":
            spec.setdefault("sessionAffinityConfig", {"clientIP": {"timeoutSeconds": 10800}})
        for port in spec.get("ports", ()):
            drop_empty(port, _PLAIN)
            port["protocol"] = port.get("protocol") or "TCP"
            if port.get("targetPort") in (None, 0, ""):
                port["targetPort"] = port.get("port", 0)
        if kind != "ExternalName":
            spec.setdefault("internalTrafficPolicy", "Cluster")
        if kind in _EXPOSED:
            spec.setdefault("externalTrafficPolicy", "Cluster")
        if kind == "LoadBalancer":
            spec.setdefault("allocateLoadBalancerNodePorts", True)
        # clusterIP and the first of clusterIPs are the same, whichever was given
        if spec.get("clusterIPs") and not spec.get("clusterIP"):
            spec["clusterIP"] = spec["clusterIPs"][0]
        elif spec.get("clusterIP") and not spec.get("clusterIPs"):
            spec["clusterIPs"] = [spec["clusterIP"]]

    def prepare_for_create(self, obj: JSON) -> None:
        """Set the families of addresses and an empty status."""
        super().prepare_for_create(obj)
        _default_families(obj["spec"])

    def prepare_for_update(self, obj: JSON, old: JSON) -> None:
        """Keep status, and the addresses and ports that an update leaves out."""
        super().prepare_for_update(obj, old)
        _patch_allocated(obj["spec"], spec_of(old))
        _drop_unneeded(obj["spec"], spec_of(old))
        _default_families(obj["spec"])

    def validate(self, obj: JSON) -> Iterator[Cause]:
        """Yield what is wrong with a Service."""
        return service_causes(obj)

    def validate_update(self, obj: JSON, old: JSON) -> Iterator[Cause]:
        """Yield what is wrong, and what may not be changed: the address, while the type still has one."""
        spec, before = obj["spec"], spec_of(old)
        addresses = before.get("clusterIPs") or []
        has_address = "ExternalName" not in (spec["type"], before.get("type"))
        if has_address and addresses and spec.get("clusterIPs", []) != addresses:
            yield invalid("spec.clusterIPs[0]", spec.get("clusterIPs"), "may not change once set")
        yield from service_causes(obj)

    def allocate(self, obj: JSON, old: JSON | None, siblings: Callable[[], Iterable[JSON]]) -> list[Cause]:
        """Give the Service its addresses and node ports."""
        return allocate(obj, old, siblings, self._network)

    def selectable_fields(self, obj: JSON) -> dict[str, str]:
        """Return name, namespace, clusterIP and type."""
        spec = spec_of(obj)
        own = {"spec.clusterIP": spec.get("clusterIP", ""), "spec.type": spec.get("type", "")}
        return {**super().selectable_fields(obj), **own}

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return the row that `kubectl get services` shows."""
        metadata, spec = metadata_of(obj), spec_of(obj)
        ports = [
            f"{each.get('port')}{':' + str(each['nodePort']) if each.get('nodePort') else ''}/{each.get('protocol')}"
            for each in spec.get("ports") or ()
        ]
        return [
            metadata.get("name", ""),
            spec.get("type", ""),
            (spec.get("clusterIPs") or [NONE])[0],
            _external_text(obj),
            ",".join(ports) or NONE,
            meta.age(metadata.get("creationTimestamp"), now),
            labels_text(spec.get("selector") or {}),
        ]


def _default_families(spec: JSON) -> None:
    if spec["type"] == "ExternalName":
        return
    is_headless = spec.get("clusterIP") == "None"
    if is_headless and not spec.get("selector"):
        # the endpoints of a headless Service without a selector are unknown
        spec.setdefault("ipFamilyPolicy", "RequireDualStack")
        spec.setdefault("ipFamilies", ["IPv4", "IPv6"])
        return
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    address = spec.get("clusterIP") or ""
    spec.setdefault("ipFamilies", ["IPv6" if ":" in address else "IPv4"])


def _patch_allocated(spec: JSON, old: JSON) -> None:
    """Take over what was allocated and the update does not mention, as long as the type still needs it."""
    if spec["type"] == "ExternalName" or old.get("type") == "ExternalName":
        return
    for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if key not in spec and key in old:
            spec[key] = old[key]
    if spec.get("clusterIP") != old.get("clusterIP") and spec.get("clusterIPs") == old.get("clusterIPs"):
        # a client that knows only the older of the two fields
        spec["clusterIPs"] = [spec["clusterIP"]]
    if spec["type"] in _EXPOSED and old.get("type") in _EXPOSED:
        before = {(port.get("protocol"), port.get("port")): port.get("nodePort") for port in old.get("ports", ())}
        used = {port["nodePort"] for port in spec.get("ports", ()) if port.get("nodePort")}
        for port in spec.get("ports", ()):
            number = before.get((port["protocol"], port.get("port")))
            if number and not port.get("nodePort") and number not in used:
                port["nodePort"] = number


def _drop_unneeded(spec: JSON, old: JSON) -> None:
    """Drop what only the former type had, as long as the update does not set it anew."""
    kind, was = spec["type"], old.get("type")
    if kind == was:
        return
    dropped = _ADDRESS_FIELDS if kind == "ExternalName" else ()
    if kind not in _EXPOSED:
        dropped = (*dropped, "externalTrafficPolicy", "healthCheckNodePort")
        held = {port.get("nodePort") for port in old.get("ports", ())}
        for port in spec.get("ports", ()):
            if port.get("nodePort") in held:
                port.pop("nodePort", None)
    if kind != "LoadBalancer":
        dropped = (*dropped, "allocateLoadBalancerNodePorts", "loadBalancerClass")
    for key in dropped:
        if key in spec and spec[key] == old.get(key):
            del spec[key]


def _external_text(service: JSON) -> str:
    spec = spec_of(service)
    kind, addresses = spec.get("type"), list(spec.get("externalIPs") or ())
    if kind == "ExternalName":
        return str(spec.get("externalName", ""))
    if kind != "LoadBalancer":
        return ",".join(addresses) or NONE
    ingress = (status_of(service).get("loadBalancer") or {}).get("ingress") or ()
    balanced = sorted({each.get("ip") or each.get("hostname") for each in ingress} - {None, ""})
    return ",".join([*balanced, *addresses]) or "<pending>"
