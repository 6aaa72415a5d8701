"""NetworkPolicies: stored and shown, not enforced.

Compare kubernetes/pkg/apis/networking/v1/defaults.go and validation.go, v1.36.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery.accessors import metadata_of, spec_of
from chalicelib.apimachinery.field_docs import field_doc
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.causes import not_supported
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, Column, Strategy
from chalicelib.registry.subresources import WRITE_VERBS
from chalicelib.resources.shared.table_text import selector_text

POLICY_TYPES = ("Egress", "Ingress")


class NetworkPolicyStrategy(Strategy):
    """networking.k8s.io/v1 networkpolicies."""

    group, resource, singular, kind = "networking.k8s.io", "networkpolicies", "networkpolicy", "NetworkPolicy"
    in_view, edit_verbs = True, WRITE_VERBS
    short_names = ("netpol",)
    has_generation = True
    empty: ClassVar[JSON] = {"spec": {"podSelector": {}}}
    columns = (NAME_COLUMN, Column("Pod-Selector", description=field_doc("NetworkPolicySpec.podSelector")), AGE_COLUMN)

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
        """Return what is wrong with the types; nothing here reads the rules."""
        return [
            not_supported(f"spec.policyTypes[{index}]", kind, POLICY_TYPES)
            for index, kind in enumerate(obj["spec"]["policyTypes"])
            if kind not in POLICY_TYPES
        ]

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return name, selector and age."""
        metadata, spec = metadata_of(obj), spec_of(obj)
        age = meta.age(metadata.get("creationTimestamp"), now)
        return [metadata.get("name", ""), selector_text(spec.get("podSelector")), age]
