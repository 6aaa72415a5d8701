"""Escalation: nobody grants by a role or a binding what he does not hold himself.

Reference: kubernetes.io/docs/reference/access-authn-authz/rbac, "Privilege escalation prevention and bootstrapping"
(v1.36); worded as kubernetes/pkg/registry/rbac/validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chalicelib.apimachinery.accessors import metadata_of
from chalicelib.apimachinery.rules.status import forbidden
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.auth.rbac import Attributes, Rbac
from chalicelib.endpoints.http.request_info import User
from chalicelib.resources.access.rbac import RBAC_GROUP

ROLES = ("roles", "clusterroles")
EVERYTHING: list[JSON] = [
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
    {"nonResourceURLs": ["*"], "verbs": ["*"]},
]
BINDINGS = ("rolebindings", "clusterrolebindings")


def check_grant(rbac: Rbac, user: User, resource: str, obj: JSON) -> None:
    """Raise 403 if the role or binding `obj`, as it would be stored, gives what its writer does not have."""
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
    missing = [_text(rule) for rule in rules if not _is_held(rule, held)]
    if missing:
        groups = " ".join(f'"{group}"' for group in user.groups)
        who = f'user "{user.name}" (groups=[{groups}])'
        why = f"{who} is attempting to grant RBAC permissions not currently held:\n"
        raise forbidden(resource, name, why + "\n".join(missing), group=RBAC_GROUP)


def _is_held(rule: JSON, held: Iterable[JSON]) -> bool:
    owned = list(held)
    return all(any(_covers(each, atom) for each in owned) for atom in _atoms(rule))


Atom = tuple[str, str, str, str, str]  # verb, group, resource, resourceName, path


def _atoms(rule: JSON) -> Iterator[Atom]:
    """Yield the single permissions that a rule is made of."""
    for verb in rule.get("verbs") or ():
        for path in rule.get("nonResourceURLs") or ():
            yield (verb, "", "", "", path)
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                for name in rule.get("resourceNames") or [""]:
                    yield (verb, group, resource, name, "")


def _covers(rule: JSON, atom: Atom) -> bool:
    verb, group, resource, name, path = atom

    def has(key: str, value: str) -> bool:
        values = rule.get(key) or ()
        return "*" in values or value in values

    if not has("verbs", verb):
        return False
    if path:
        return any(_path_covers(each, path) for each in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames") or ()
    subresource = resource.partition("/")[2]
    is_resource = has("resources", resource) or bool(
        subresource and f"*/{subresource}" in (rule.get("resources") or ())
    )
    return has("apiGroups", group) and is_resource and (not names or name in names)


def _path_covers(pattern: str, path: str) -> bool:
    return pattern == path or (pattern.endswith("*") and path.startswith(pattern[:-1]))


def _text(rule: JSON) -> str:
    names = (
        ("apiGroups", "APIGroups"),
        ("resources", "Resources"),
        ("resourceNames", "ResourceNames"),
        ("nonResourceURLs", "NonResourceURLs"),
        ("verbs", "Verbs"),
    )
    parts = [
        f"{shown}:[{' '.join(_quoted(value) for value in rule[key])}]"
        for key, shown in names
        if rule.get(key)
    ]
    return "{" + ", ".join(parts) + "}"


def _quoted(value: str) -> str:
    return f'"{value}"'
