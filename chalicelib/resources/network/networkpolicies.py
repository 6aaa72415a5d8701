"""NetworkPolicies: stored and shown, not enforced.

Compare kubernetes/pkg/apis/networking/v1/defaults.go and validation.go, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery.accessors import metadata_of, spec_of
from chalicelib.apimachinery.field_docs import field_doc
from chalicelib.apimachinery.rules import meta, names
from chalicelib.apimachinery.rules.causes import forbidden, invalid, not_supported, required
from chalicelib.apimachinery.rules.selectors import label_selector_causes
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, Column, Strategy
from chalicelib.registry.subresources import WRITE_VERBS
from chalicelib.resources.shared.formats import NOT_A_CIDR, PORT_RANGE, is_cidr, is_port
from chalicelib.resources.shared.table_text import selector_text

PROTOCOLS = ("SCTP", "TCP", "UDP")
POLICY_TYPES = ("Egress", "Ingress")
_PEERS = ("podSelector", "namespaceSelector", "ipBlock")


class NetworkPolicyStrategy(Strategy):
    """networking.k8s.io/v1 networkpolicies."""

    group, resource, singular, kind = "networking.k8s.io", "networkpolicies", "networkpolicy", "NetworkPolicy"
    in_view, edit_verbs = True, WRITE_VERBS
    short_names = ("netpol",)
    has_generation = True
    empty: ClassVar[JSON] = {"spec": {"podSelector": {}}}
    columns = (
        NAME_COLUMN,
        Column("Pod-Selector", description=field_doc("NetworkPolicySpec.podSelector")),
        AGE_COLUMN,
    )

    def default(self, obj: JSON) -> None:
        """Set the types of the policy, and the protocol of its ports."""
        spec = obj["spec"] = spec_of(obj)
        spec["podSelector"] = spec.get("podSelector") or {}
        for key in ("ingress", "egress"):
            if not spec.get(key):
                spec.pop(key, None)
            for rule in spec.get(key, ()):
                for port in rule.get("ports") or ():
                    port["protocol"] = port.get("protocol") or "TCP"
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]

    def validate(self, obj: JSON) -> list[Cause]:
        """Return what is wrong with selectors, peers, ports and types."""
        return list(_spec_causes(obj["spec"]))

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return name, selector and age."""
        metadata, spec = metadata_of(obj), spec_of(obj)
        age = meta.age(metadata.get("creationTimestamp"), now)
        return [metadata.get("name", ""), selector_text(spec.get("podSelector")), age]


def _spec_causes(spec: JSON) -> Iterator[Cause]:
    yield from label_selector_causes(spec["podSelector"], "spec.podSelector")
    for kind, side in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(kind, ())):
            at = f"spec.{kind}[{index}]"
            for number, port in enumerate(rule.get("ports") or ()):
                yield from _port_causes(port, f"{at}.ports[{number}]")
            for number, peer in enumerate(rule.get(side) or ()):
                yield from _peer_causes(peer, f"{at}.{side}[{number}]")
    types = spec["policyTypes"]
    if len(types) > len(POLICY_TYPES):
        yield invalid("spec.policyTypes", types, "may not specify more than two policyTypes")
        return
    for index, kind in enumerate(types):
        if kind not in POLICY_TYPES:
            yield not_supported(f"spec.policyTypes[{index}]", kind, POLICY_TYPES)


def _port_causes(port: JSON, at: str) -> Iterator[Cause]:
    if port["protocol"] not in PROTOCOLS:
        yield not_supported(f"{at}.protocol", port["protocol"], PROTOCOLS)
    number, end = port.get("port"), port.get("endPort")
    if isinstance(number, str):
        for error in names.port_name_errors(number):
            yield invalid(f"{at}.port", number, error)
        if end is not None:
            yield invalid(f"{at}.endPort", end, "may not be specified when `port` is non-numeric")
    elif number is None:
        if end is not None:
            yield invalid(f"{at}.endPort", end, "may not be specified when `port` is not specified")
    else:
        if not is_port(number):
            yield invalid(f"{at}.port", number, PORT_RANGE)
        if end is not None and end < number:
            yield invalid(f"{at}.endPort", end, "must be greater than or equal to `port`")
        if end is not None and not is_port(end):
            yield invalid(f"{at}.endPort", end, PORT_RANGE)


def _peer_causes(peer: JSON, at: str) -> Iterator[Cause]:
    kinds = [kind for kind in _PEERS if peer.get(kind) is not None]
    for kind in kinds[:2]:
        if kind != "ipBlock":
            yield from label_selector_causes(peer[kind], f"{at}.{kind}")
    if not kinds:
        yield required(at, "must specify a peer")
    elif "ipBlock" in kinds:
        if len(kinds) > 1:
            yield forbidden(at, "may not specify both ipBlock and another peer")
        yield from _block_causes(peer["ipBlock"], f"{at}.ipBlock")


def _block_causes(block: JSON, at: str) -> Iterator[Cause]:
    cidr = block.get("cidr") or ""
    if not cidr:
        yield required(f"{at}.cidr")
    elif not is_cidr(cidr):
        yield invalid(f"{at}.cidr", cidr, NOT_A_CIDR)
    for index, hole in enumerate(block.get("except") or ()):
        if not is_cidr(hole):
            yield invalid(f"{at}.except[{index}]", hole, NOT_A_CIDR)
