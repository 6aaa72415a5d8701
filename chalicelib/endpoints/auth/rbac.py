"""Authorization: role-based access control over the stored roles and bindings.

Reference: kubernetes.io/docs/reference/access-authn-authz/rbac (v1.36); the wording of refusals is that of
k8s.io/apiserver/pkg/endpoints/handlers/responsewriters.

One thing is ours: what a RoleBinding grants to the group of a pod (POD_GROUP and its uid, a group that only tokens of
that pod have) holds for the objects that the pod owns, and no others. So drivers have their rights.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

from chalicelib.apimachinery.accessors import labels_of
from chalicelib.apimachinery.rules.selectors import label_selector_of
from chalicelib.apimachinery.rules.status import StatusError, not_found, qualified
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.runtime.tokens import POD_GROUP
from chalicelib.endpoints.http.requests import AUTHENTICATED, MASTERS, RequestInfo, User
from chalicelib.resources.access.rbac import RBAC_GROUP
from chalicelib.storage.base import Storage
from chalicelib.storage.keys import prefix

# How long another process's change of a rule may go unnoticed; our own are seen at once.
CACHE_SECONDS = 5.0
# And how old what a refusal goes by may be: a driver may ask this process with the rights that another has just given.
REFUSAL_CACHE_SECONDS = 0.5
PUBLIC_PATHS = ("/version", "/healthz", "/livez", "/readyz")
DISCOVERY = ("/api/", "/apis/", "/openapi/")
# Any authenticated user may review their own permissions.
SELF_REVIEWS = (
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
)
# A WebSocket begins with a GET but runs a command, so connecting takes the create permission, as since Kubernetes 1.35
# (feature gate AuthorizePodWebsocketUpgradeCreatePermission).
CONNECTING = ("pods/exec", "pods/attach", "pods/portforward")
SERVICE_ACCOUNT_PREFIX = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is asked for: a verb on a resource (subresource as `pods/log`), or on a path."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


def attributes(info: RequestInfo) -> Attributes:
    """Return what a request asks for, as authorization sees it."""
    if not info.is_resource:
        return Attributes(verb=info.method.lower(), path=info.path)
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    return Attributes(info.verb, info.group, resource, info.namespace, info.name)


def rule_allows(rule: JSON, asked: Attributes) -> bool:
    """Return whether one PolicyRule covers what is asked for."""
    if not _covers(rule.get("verbs"), asked.verb):
        return False
    if asked.path:
        return any(
            path == asked.path or (path.endswith("*") and asked.path.startswith(path.rstrip("*")))
            for path in rule.get("nonResourceURLs") or ()
        )
    _, _, subresource = asked.resource.partition("/")
    resources = rule.get("resources") or ()
    is_resource = _covers(resources, asked.resource) or (subresource and f"*/{subresource}" in resources)
    if not _covers(rule.get("apiGroups"), asked.group) or not is_resource:
        return False
    names = rule.get("resourceNames") or []
    return not names or asked.name in names


def _covers(values: Collection[str] | None, wanted: str) -> bool:
    return bool(values) and values is not None and ("*" in values or wanted in values)


def subject_is(subject: JSON, user: User, binding_namespace: str) -> bool:
    """Return whether a binding's subject is this user: names are equal, and `*` is a name like any other."""
    kind, name = subject.get("kind"), subject.get("name", "")
    if kind == "User":
        return bool(name == user.name)
    if kind == "Group":
        return name in user.groups and not name.startswith(POD_GROUP)
    namespace = subject.get("namespace") or binding_namespace
    return kind == "ServiceAccount" and user.name == f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}"


class Rbac:
    """Authorizer over roles and bindings. Safe to call from many threads."""

    def __init__(self, storage: Storage, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._storage = storage
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._cache: dict[str, tuple[float, list[JSON]]] = {}
        self._changes = 0  # what was read before the last one is not kept

    def forget(self) -> None:
        """Drop what is cached: a role or a binding has changed."""
        with self._lock:
            self._changes += 1
            self._cache.clear()

    def authorize(self, user: User, info: RequestInfo) -> str:
        """Return "" if the request is allowed, or the uid of the pod for whose own objects it is. Raises 403."""
        asked = attributes(info)
        owner = self.grant(user, asked)
        if owner is None:
            with self._lock:
                self._drop_older_than(REFUSAL_CACHE_SECONDS)
            owner = self.grant(user, asked)
        if owner is None:
            raise refusal(user, asked)
        if info.verb == "get" and asked.resource in CONNECTING:
            owner = self.authorize(user, replace(info, verb="create")) or owner
        return owner

    def grant(self, user: User, asked: Attributes) -> str | None:
        """Return as authorize() does for what is asked, None if it is not allowed."""
        if self.allows(user, asked):
            return ""
        owned = self.owned_rules(user, asked.namespace)
        return next((uid for uid, rule in owned if rule_allows(rule, asked)), None)

    def allows(self, user: User, asked: Attributes) -> bool:
        """Return whether `user` may do what is asked for to any object."""
        is_known = AUTHENTICATED in user.groups
        if MASTERS in user.groups or (asked.verb == "get" and asked.path in PUBLIC_PATHS):
            return True
        if is_known and asked.verb == "get" and (asked.path == "/" or f"{asked.path}/".startswith(DISCOVERY)):
            return True
        if is_known and asked.verb == "create" and (asked.group, asked.resource) in SELF_REVIEWS:
            return True
        return any(rule_allows(rule, asked) for rule in self.rules(user, asked.namespace))

    def rules(self, user: User, namespace: str) -> Iterator[JSON]:
        """Yield the PolicyRules that hold for `user` in `namespace` ("" for cluster scope)."""
        places = [("", prefix("clusterrolebindings"))]
        places += [(namespace, prefix("rolebindings", namespace))] if namespace else []
        for place, key_prefix in places:
            for binding in self._list(key_prefix):
                if any(subject_is(each, user, place) for each in binding.get("subjects") or []):
                    yield from self._granted(binding, place)

    def owned_rules(self, user: User, namespace: str) -> Iterator[tuple[str, JSON]]:
        """Yield the PolicyRules that hold for what a pod owns, each with the pod's uid."""
        groups = {group for group in user.groups if group.startswith(POD_GROUP)}
        for binding in self._list(prefix("rolebindings", namespace)) if groups and namespace else ():
            named = {each.get("name") for each in binding.get("subjects") or [] if each.get("kind") == "Group"}
            for group in groups & named:
                yield from ((group.removeprefix(POD_GROUP), rule) for rule in self._granted(binding, namespace))

    def is_named(self, namespace: str, service_account: str) -> bool:
        """Return whether any binding, in whatever namespace, names a service account."""
        user = User(f"{SERVICE_ACCOUNT_PREFIX}{namespace}:{service_account}")
        return any(
            subject_is(each, user, binding["metadata"].get("namespace", ""))
            for resource in ("clusterrolebindings", "rolebindings")
            for binding in self._list(prefix(resource))
            for each in binding.get("subjects") or []
        )

    def rules_of(self, kind: str, namespace: str, name: str) -> list[JSON]:
        """Return the PolicyRules of one role; `kind` is roles or clusterroles. Raises 404."""
        roles = self._list(prefix(kind, namespace if kind == "roles" else None))
        for role in roles:
            if role["metadata"]["name"] == name:
                return list(_effective(role, roles))
        raise not_found(kind, name, group=RBAC_GROUP)

    def _granted(self, binding: JSON, namespace: str) -> Iterator[JSON]:
        """Yield the PolicyRules of the role that a binding names."""
        reference = binding.get("roleRef") or {}
        if reference.get("kind") == "Role":
            roles = self._list(prefix("roles", namespace))
        else:
            roles = self._list(prefix("clusterroles"))
        for role in roles:
            if role["metadata"]["name"] == reference.get("name"):
                yield from _effective(role, roles)

    def _drop_older_than(self, seconds: float) -> None:
        oldest = self._monotonic() - seconds
        self._cache = {key: each for key, each in self._cache.items() if each[0] > oldest}

    def _list(self, key_prefix: str) -> list[JSON]:
        now = self._monotonic()
        with self._lock:
            cached, changes = self._cache.get(key_prefix), self._changes
        if cached is not None and now - cached[0] < CACHE_SECONDS:
            return cached[1]
        found = [item.object() for item in self._storage.list(key_prefix).items]
        with self._lock:
            if changes == self._changes:
                self._cache[key_prefix] = (now, found)
        return found


def _effective(role: JSON, roles: Collection[JSON]) -> Iterator[JSON]:
    """Yield a role's PolicyRules; an aggregated one has those of the roles it selects and none of its own.

    A selected role may be an aggregated one itself. Compare kubernetes/pkg/controller/clusterroleaggregation, v1.36,
    which overwrites the rules of an aggregated role.
    """
    found = {role["metadata"]["name"]: role}
    waiting = [role]
    while waiting:
        each = waiting.pop()
        if each.get("aggregationRule") is None:
            yield from each.get("rules") or []
            continue
        try:
            selectors = [label_selector_of(one) for one in each["aggregationRule"].get("clusterRoleSelectors") or []]
        except ValueError:  # stored before it was validated; a real server's controller stops at it, too
            continue
        selected = [one for one in roles if any(selector.matches(labels_of(one)) for selector in selectors)]
        new = {one["metadata"]["name"]: one for one in selected if one["metadata"]["name"] not in found}
        found |= new
        waiting += new.values()


def refusal(user: User, asked: Attributes) -> StatusError:
    """Return the 403 for what was asked, in a real server's words."""
    if asked.path:
        message = f'forbidden: User "{user.name}" cannot {asked.verb} path "{asked.path}"'
        return StatusError(403, "Forbidden", message, details={})
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    main = asked.resource.split("/")[0]
    what = qualified(main, asked.group) + (f' "{asked.name}"' if asked.name else "")
    message = (
        f'{what} is forbidden: User "{user.name}" cannot {asked.verb} resource "{asked.resource}"'
        f' in API group "{asked.group}" {where}'
    )
    details = {"name": asked.name, "group": asked.group, "kind": main}
    return StatusError(403, "Forbidden", message, details={key: value for key, value in details.items() if value})
