"""Roles and their bindings.

Compare kubernetes/pkg/apis/rbac/v1/defaults.go and validation, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar

from chalicelib.apimachinery.accessors import metadata_of
from chalicelib.apimachinery.field_docs import field_doc
from chalicelib.apimachinery.rules import meta, names
from chalicelib.apimachinery.rules.causes import invalid, not_supported, required
from chalicelib.apimachinery.rules.selectors import label_selector_causes
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, CREATED_COLUMNS, NAME_COLUMN, Column, Strategy

RBAC_GROUP = "rbac.authorization.k8s.io"
SUBJECT_KINDS = ("ServiceAccount", "User", "Group")
_RULE_LISTS = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")


class _RbacStrategy(Strategy):
    creates_on_update = True
    group = RBAC_GROUP
    name_errors = staticmethod(names.path_segment_errors)  # such as system:node


class RoleStrategy(_RbacStrategy):
    """rbac.authorization.k8s.io/v1 roles."""

    resource, singular, kind = "roles", "role", "Role"
    empty: ClassVar[JSON] = {"rules": None}
    columns = CREATED_COLUMNS

    def default(self, obj: JSON) -> None:
        """Write rules even if there are none."""
        obj["rules"] = obj.get("rules") or None
        for rule in obj["rules"] or ():
            for key in [key for key in _RULE_LISTS if key in rule and not rule[key] and key != "verbs"]:
                del rule[key]

    def validate(self, obj: JSON) -> Iterator[Cause]:
        """Yield what is wrong with the rules."""
        for index, rule in enumerate(obj["rules"] or ()):
            at = f"rules[{index}]"
            if not rule.get("verbs"):
                yield required(f"{at}.verbs", "verbs must contain at least one value")
            urls, resources = rule.get("nonResourceURLs"), rule.get("resources")
            if urls:
                if self.namespaced:
                    yield invalid(f"{at}.nonResourceURLs", urls, "namespaced rules cannot apply to non-resource URLs")
                if rule.get("apiGroups") or resources or rule.get("resourceNames"):
                    why = "rules cannot apply to both regular resources and non-resource URLs"
                    yield invalid(f"{at}.nonResourceURLs", urls, why)
                continue
            if not rule.get("apiGroups"):
                yield required(f"{at}.apiGroups", "resource rules must supply at least one api group")
            if not resources:
                yield required(f"{at}.resources", "resource rules must supply at least one resource")


class ClusterRoleStrategy(RoleStrategy):
    """rbac.authorization.k8s.io/v1 clusterroles."""

    resource, singular, kind = "clusterroles", "clusterrole", "ClusterRole"
    namespaced = False

    def validate(self, obj: JSON) -> Iterator[Cause]:
        """Yield what is wrong with rules and aggregation."""
        yield from super().validate(obj)
        aggregation = obj.get("aggregationRule")
        if aggregation is None:
            return
        selectors = aggregation.get("clusterRoleSelectors") or []
        at = "aggregationRule.clusterRoleSelectors"
        if not selectors:
            yield required(at, "at least one clusterRoleSelector required if aggregationRule is non-nil")
        for index, selector in enumerate(selectors):
            yield from label_selector_causes(selector, f"{at}[{index}]")


class RoleBindingStrategy(_RbacStrategy):
    """rbac.authorization.k8s.io/v1 rolebindings."""

    resource, singular, kind = "rolebindings", "rolebinding", "RoleBinding"
    role_kinds: tuple[str, ...] = ("Role", "ClusterRole")
    empty: ClassVar[JSON] = {"roleRef": {"apiGroup": "", "kind": "", "name": ""}}
    columns = (
        NAME_COLUMN,
        Column("Role", description=field_doc("RoleBinding.roleRef")),
        AGE_COLUMN,
        Column("Users", description="Users in the roleBinding", priority=1),
        Column("Groups", description="Groups in the roleBinding", priority=1),
        Column("ServiceAccounts", description="ServiceAccounts in the roleBinding", priority=1),
    )

    def default(self, obj: JSON) -> None:
        """Set the API groups of the role and of users and groups."""
        ref = obj["roleRef"] = obj.get("roleRef") or {}
        ref["apiGroup"] = ref.get("apiGroup") or RBAC_GROUP
        for key in ("kind", "name"):
            ref.setdefault(key, "")
        if not obj.get("subjects"):
            obj.pop("subjects", None)
        for subject in obj.get("subjects", ()):
            if subject.get("kind") in ("User", "Group"):
                subject["apiGroup"] = subject.get("apiGroup") or RBAC_GROUP
            for key in ("apiGroup", "namespace"):
                if not subject.get(key):
                    subject.pop(key, None)

    def validate(self, obj: JSON) -> Iterator[Cause]:
        """Yield what is wrong with role and subjects."""
        ref = obj["roleRef"]
        if ref["apiGroup"] != RBAC_GROUP:
            yield not_supported("roleRef.apiGroup", ref["apiGroup"], (RBAC_GROUP,))
        if ref["kind"] not in self.role_kinds:
            yield not_supported("roleRef.kind", ref["kind"], self.role_kinds)
        if not ref["name"]:
            yield required("roleRef.name")
        for error in names.path_segment_errors(ref["name"]) if ref["name"] else ():
            yield invalid("roleRef.name", ref["name"], error)
        yield from _subjects_causes(obj.get("subjects", []), is_namespaced=self.namespaced)

    def validate_update(self, obj: JSON, old: JSON) -> Iterator[Cause]:
        """Hold the role."""
        yield from self.validate(obj)
        if obj["roleRef"] != old.get("roleRef"):
            yield invalid("roleRef", obj["roleRef"], "cannot change roleRef")

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return name, role, age, and who is bound to it."""
        metadata, ref, subjects = metadata_of(obj), obj.get("roleRef") or {}, obj.get("subjects") or []
        named = {kind: [each for each in subjects if each.get("kind") == kind] for kind in SUBJECT_KINDS}
        accounts = [f"{each.get('namespace', '')}/{each.get('name', '')}" for each in named["ServiceAccount"]]
        return [
            metadata.get("name", ""),
            f"{ref.get('kind', '')}/{ref.get('name', '')}",
            meta.age(metadata.get("creationTimestamp"), now),
            ", ".join(each.get("name", "") for each in named["User"]),
            ", ".join(each.get("name", "") for each in named["Group"]),
            ", ".join(accounts),
        ]


class ClusterRoleBindingStrategy(RoleBindingStrategy):
    """rbac.authorization.k8s.io/v1 clusterrolebindings."""

    resource, singular, kind = "clusterrolebindings", "clusterrolebinding", "ClusterRoleBinding"
    namespaced = False
    role_kinds = ("ClusterRole",)
    columns = (
        NAME_COLUMN,
        Column("Role", description=field_doc("ClusterRoleBinding.roleRef")),
        AGE_COLUMN,
        Column("Users", description="Users in the clusterRoleBinding", priority=1),
        Column("Groups", description="Groups in the clusterRoleBinding", priority=1),
        Column("ServiceAccounts", description="ServiceAccounts in the clusterRoleBinding", priority=1),
    )


def _subjects_causes(subjects: list[JSON], *, is_namespaced: bool) -> Iterator[Cause]:
    for index, subject in enumerate(subjects):
        at, kind, name = f"subjects[{index}]", subject.get("kind") or "", subject.get("name") or ""
        if not name:
            yield required(f"{at}.name")
        if kind == "ServiceAccount":
            for error in names.dns_subdomain_errors(name) if name else ():
                yield invalid(f"{at}.name", name, error)
            if subject.get("apiGroup"):
                yield not_supported(f"{at}.apiGroup", subject["apiGroup"], ("",))
            if not subject.get("namespace") and not is_namespaced:
                yield required(f"{at}.namespace")
        elif kind in ("User", "Group"):
            if subject.get("apiGroup") != RBAC_GROUP:
                yield not_supported(f"{at}.apiGroup", subject.get("apiGroup"), (RBAC_GROUP,))
        else:
            yield not_supported(f"{at}.kind", kind, SUBJECT_KINDS)
