"""What may be wrong with a Service.

Compare ValidateService in kubernetes/pkg/apis/core/validation/validation.go, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.rules import meta, names
from chalicelib.apimachinery.rules.causes import duplicate, forbidden, invalid, not_supported, required
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.shared.formats import NOT_AN_IP, PORT_RANGE, is_ip, is_port

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
PROTOCOLS = ("SCTP", "TCP", "UDP")
AFFINITIES = ("ClientIP", "None")


def service_causes(service: JSON) -> Iterator[Cause]:
    """Yield what is wrong with a Service that has been through defaulting."""
    spec = service["spec"]
    kind, address = spec["type"], spec.get("clusterIP") or ""
    ports = spec.get("ports") or []
    if not ports and address != "None" and kind != "ExternalName":
        yield required("spec.ports")
    yield from _kind_causes(spec, kind, address)
    for index, port in enumerate(ports):
        is_named = len(ports) > 1
        yield from _port_causes(port, f"spec.ports[{index}]", names_needed=is_named, others=ports[:index])
    yield from meta.labels_causes(spec.get("selector") or {}, "spec.selector")
    if spec["sessionAffinity"] not in AFFINITIES:
        yield not_supported("spec.sessionAffinity", spec["sessionAffinity"], AFFINITIES)
    addresses = spec.get("clusterIPs") or []
    if addresses and address != addresses[0]:
        yield invalid("spec.clusterIPs", addresses, "first value must match `clusterIP`")
    for index, ip in enumerate(addresses):
        if ip != "None" and not is_ip(ip):
            yield invalid(f"spec.clusterIPs[{index}]", ip, NOT_AN_IP)
    if kind not in TYPES:
        yield not_supported("spec.type", kind, TYPES)
    if kind == "ClusterIP":
        for index, port in enumerate(ports):
            if port.get("nodePort"):
                yield forbidden(f"spec.ports[{index}].nodePort", "may not be used when `type` is 'ClusterIP'")
    seen = set()
    for index, port in enumerate(ports):
        key = (port.get("protocol"), port.get("port"))
        if key in seen:
            # the real server shows its own struct here, the port's name blanked
            empty = {"Name": "", "Protocol": key[0], "AppProtocol": None}
            yield duplicate(f"spec.ports[{index}]", empty | {"Port": key[1], "TargetPort": 0, "NodePort": 0})
        seen.add(key)


def _kind_causes(spec: JSON, kind: str, address: str) -> Iterator[Cause]:
    if kind in ("LoadBalancer", "NodePort") and address == "None":
        yield invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind != "ExternalName":
        return
    if spec.get("clusterIPs"):
        yield forbidden("spec.clusterIPs", "may not be set for ExternalName services")
    name = (spec.get("externalName") or "").removesuffix(".")
    if not name:
        yield required("spec.externalName")
        return
    for error in names.dns_subdomain_errors(name):
        yield invalid("spec.externalName", name, error)


def _port_causes(port: JSON, at: str, *, names_needed: bool, others: list[JSON]) -> Iterator[Cause]:
    name, number = port.get("name") or "", port.get("port") or 0
    if names_needed and not name:
        yield required(f"{at}.name")
    elif name:
        for error in names.dns_label_errors(name):
            yield invalid(f"{at}.name", name, error)
        if any(other.get("name") == name for other in others):
            yield duplicate(f"{at}.name", name)
    if not is_port(number):
        yield invalid(f"{at}.port", number, PORT_RANGE)
    if port.get("protocol") not in PROTOCOLS:
        yield not_supported(f"{at}.protocol", port.get("protocol"), PROTOCOLS)
    target = port.get("targetPort")
    if isinstance(target, str):
        for error in names.port_name_errors(target):
            yield invalid(f"{at}.targetPort", target, error)
    elif not is_port(target):
        yield invalid(f"{at}.targetPort", target, PORT_RANGE)
