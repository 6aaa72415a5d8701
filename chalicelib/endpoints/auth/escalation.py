"""Escalation: nobody can grant, by a role or a binding, permissions that they do not hold.

Reference: kubernetes.io/docs/reference/access-authn-authz/rbac, "Privilege escalation prevention and bootstrapping"
(v1.36); worded as kubernetes/pkg/registry/rbac/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.accessors import metadata_of
from chalicelib.apimachinery.rules.status import forbidden
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.auth.rbac import Attributes, Rbac, rule_allows
from chalicelib.endpoints.http.requests import User
from chalicelib.resources.access.rbac import RBAC_GROUP

ROLES = ("roles", "clusterroles")
EVERYTHING: list[JSON] = [
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
    {"nonResourceURLs": ["*"], "verbs": ["*"]},
]


def check_grant(rbac: Rbac, user: User, resource: str, obj: JSON) -> None:
    """Raise 403 if the role or binding `obj`, as it would be stored, grants what its writer does not hold."""
    metadata = metadata_of(obj)
    namespace, name = metadata.get("namespace") or "", metadata.get("name") or ""
    if resource in ROLES:
        if rbac.allows(user, Attributes("escalate", RBAC_GROUP, resource, namespace, name)):
            return
        # What an aggregated role will hold is whatever others label for it: only who has everything may make one.
        rules = EVERYTHING if obj.get("aggregationRule") else obj.get("rules") or []
    else:
        reference = obj.get("roleRef") or {}
        kind = "roles" if reference.get("kind") == "Role" else "clusterroles"
        role = str(reference.get("name") or "")
        if rbac.allows(user, Attributes("bind", RBAC_GROUP, kind, namespace, role)):
            return
        rules = rbac.rules_of(kind, namespace, role)
    held = list(rbac.rules(user, namespace))
    missing = [
        _text(rule)
        for rule in rules
        if not all(any(rule_allows(each, asked) for each in held) for asked in permissions(rule))
    ]
    if missing:
        groups = " ".join(f'"{group}"' for group in user.groups)
        who = f'user "{user.name}" (groups=[{groups}])'
        why = f"{who} is attempting to grant RBAC permissions not currently held:\n"
        raise forbidden(resource, name, why + "\n".join(missing), group=RBAC_GROUP)


def permissions(rule: JSON) -> Iterator[Attributes]:
    """Yield the single permissions that a rule is made of, each as a request that it allows."""
    for verb in rule.get("verbs") or ():
        for path in rule.get("nonResourceURLs") or ():
            yield Attributes(verb, path=path)
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                for name in rule.get("resourceNames") or [""]:
                    yield Attributes(verb, group, resource, name=name)


def _text(rule: JSON) -> str:
    """Return a rule as Go prints it."""
    parts = []
    for key in ("apiGroups", "resources", "resourceNames", "nonResourceURLs", "verbs"):
        if rule.get(key):
            quoted = " ".join(f'"{value}"' for value in rule[key])
            parts.append(f"{key[0].upper()}{key[1:]}:[{quoted}]".replace("ApiGroups", "APIGroups"))
    return "{" + ", ".join(parts) + "}"
