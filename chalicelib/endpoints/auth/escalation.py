"""Escalation: nobody can grant, by a role or a binding, permissions that they do not hold.

Reference: kubernetes.io/docs/reference/access-authn-authz/rbac, "Privilege escalation prevention and bootstrapping"
(v1.36); worded as kubernetes/pkg/registry/rbac/validation and .../rbac/clusterrole/policybased.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chalicelib.apimachinery.accessors import metadata_of
from chalicelib.apimachinery.rules.status import forbidden
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.auth.rbac import Attributes, Rbac, rule_allows
from chalicelib.endpoints.http.requests import RequestInfo
from chalicelib.resources.access.rbac import RBAC_GROUP

ROLES = ("roles", "clusterroles")
EVERYTHING: list[JSON] = [
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
    {"nonResourceURLs": ["*"], "verbs": ["*"]},
]


def check_grant(rbac: Rbac, info: RequestInfo, obj: JSON, old: JSON | None) -> None:
    """Raise 403 if the role or binding `obj`, as it would be stored, grants what its writer does not hold.

    `old` is what it replaces, None for a new one. An aggregated role holds whatever others label for it, and
    without its rule it would not lose what they take away: only who has everything may make, change or end one.
    """
    user, resource = info.user, info.resource
    metadata = metadata_of(obj)
    namespace, name = metadata.get("namespace") or "", metadata.get("name") or ""
    if resource in ROLES:
        # by the name in the URL, which a create has not
        if rbac.allows(user, Attributes("escalate", RBAC_GROUP, resource, namespace, info.name)):
            return
        rules = obj.get("rules") or []
    else:
        reference = obj.get("roleRef") or {}
        kind = "roles" if reference.get("kind") == "Role" else "clusterroles"
        role = str(reference.get("name") or "")
        if rbac.allows(user, Attributes("bind", RBAC_GROUP, kind, namespace, role)):
            return
        rules = rbac.rules_of(kind, namespace, role)
    held = list(rbac.rules(user, namespace))
    if missing := [_text(rule) for rule in rules if not covers(held, rule)]:
        groups = " ".join(f'"{group}"' for group in user.groups)
        who = f'user "{user.name}" (groups=[{groups}])'
        why = f"{who} is attempting to grant RBAC permissions not currently held:\n"
        raise forbidden(resource, name, why + "\n".join(missing), group=RBAC_GROUP)
    is_aggregated = any((each.get("aggregationRule") or {}).get("clusterRoleSelectors") for each in (obj, old or {}))
    if is_aggregated and not all(covers(held, rule) for rule in EVERYTHING):
        why = "must have cluster-admin privileges to use the aggregationRule"
        raise forbidden(resource, name, why, group=RBAC_GROUP)


def covers(held: Sequence[JSON], rule: JSON) -> bool:
    """Return whether each permission of a PolicyRule is one of one or other of `held`.

    Who may do something to objects of some names, were it the empty one, may not do it to all.
    """
    return all(
        any(rule_allows(each, asked) and (asked.name or asked.path or not each.get("resourceNames")) for each in held)
        for asked in _permissions(rule)
    )


def _permissions(rule: JSON) -> Iterator[Attributes]:
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
