"""What every control plane begins with: system namespaces and priorities, a service account, the default roles.

Roles follow kubernetes.io/docs/reference/access-authn-authz/rbac, "Default roles and role bindings" (v1.36), cut
to the resources that we serve. How those that are stored already come by what is new: plane/default_roles.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chalicelib.apimachinery.types import JSON
from chalicelib.registry.subresources import READ_VERBS, WRITE_VERBS
from chalicelib.resources.access.rbac import RBAC_GROUP
from chalicelib.resources.catalogue import ALL
from chalicelib.resources.cluster.namespaces import SYSTEM_NAMESPACES
from chalicelib.resources.policy.priorityclasses import SYSTEM_VALUES

BOOTSTRAPPING = {"kubernetes.io/bootstrapping": "rbac-defaults"}
AUTOUPDATE = {"rbac.authorization.kubernetes.io/autoupdate": "true"}  # "false" keeps a role as it is

SYSTEM_USES = {
    "system-cluster-critical": (
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary."
    ),
    "system-node-critical": "Used for system critical pods that must not be moved from their node.",
}
EVERYTHING: JSON = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
DRIVER_ROLE = "sparkanywhere:driver"
# What Spark's driver does in its namespace (docs: running-on-kubernetes, "RBAC"), whichever pod allocator it uses.
DRIVER_RULES: list[JSON] = [
    {
        "apiGroups": [""],
        "resources": ["pods", "services", "configmaps", "persistentvolumeclaims"],
        "verbs": [*READ_VERBS, *WRITE_VERBS],
    },
    {"apiGroups": [""], "resources": ["pods/log", "pods/status"], "verbs": ["get"]},
    {"apiGroups": ["apps"], "resources": ["statefulsets", "deployments"], "verbs": [*READ_VERBS, *WRITE_VERBS]},
    {
        "apiGroups": ["apps"],
        "resources": ["statefulsets/scale", "deployments/scale"],
        "verbs": ["get", "update", "patch"],
    },
]
# What a server that leaves authentication and authorization to this API asks it
DELEGATOR_RULES: list[JSON] = [
    {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
    {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
]
EVERY_PATH: JSON = {"nonResourceURLs": ["*"], "verbs": ["*"]}


def _rules(rows: Iterable[tuple[str, str, Sequence[str]]]) -> list[JSON]:
    """Return the rules for rows of (group, resource, verbs), those of one group and the same verbs as one."""
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for group, resource, verbs in rows:
        if verbs:
            found.setdefault((group, tuple(verbs)), []).append(resource)
    return [
        {"apiGroups": [group], "resources": resources, "verbs": list(verbs)}
        for (group, verbs), resources in found.items()
    ]


def _role(name: str, rules: list[JSON]) -> JSON:
    metadata = {"name": name, "labels": dict(BOOTSTRAPPING), "annotations": dict(AUTOUPDATE)}
    return {"metadata": metadata, "rules": rules}


def cluster_roles() -> list[JSON]:
    """Return the default ClusterRoles; what `view` and `edit` may do, each kind and subresource says itself."""
    viewed: list[tuple[str, str, Sequence[str]]] = [("metrics.k8s.io", each, READ_VERBS) for each in ("nodes", "pods")]
    edited: list[tuple[str, str, Sequence[str]]] = []
    for kind in ALL:
        viewed.append((kind.group, kind.resource, READ_VERBS if kind.in_view else ()))
        edited.append((kind.group, kind.resource, kind.edit_verbs))
        for name, each in kind.all_subresources.items():
            viewed.append((kind.group, f"{kind.resource}/{name}", READ_VERBS if each.in_view else ()))
            edited.append((kind.group, f"{kind.resource}/{name}", each.edit_verbs))
    view, edit = _rules(viewed), _rules([*viewed, *edited])
    everything = (*READ_VERBS, *WRITE_VERBS)
    access = _rules(
        [
            (RBAC_GROUP, "roles", everything),
            (RBAC_GROUP, "rolebindings", everything),
            ("authorization.k8s.io", "localsubjectaccessreviews", ("create",)),
        ]
    )
    return [
        _role("cluster-admin", [EVERYTHING, EVERY_PATH]),
        _role("admin", [*edit, *access]),
        _role("edit", edit),
        _role("view", view),
        _role("system:auth-delegator", DELEGATOR_RULES),
        _role(DRIVER_ROLE, DRIVER_RULES),
    ]


def cluster_role_bindings() -> list[JSON]:
    """Return the default ClusterRoleBindings."""
    return [
        {
            "metadata": {"name": "cluster-admin", "labels": dict(BOOTSTRAPPING), "annotations": dict(AUTOUPDATE)},
            "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": RBAC_GROUP, "kind": "Group", "name": "system:masters"}],
        }
    ]


def priority_classes() -> list[JSON]:
    """Return the PriorityClasses of the system, which every real server has."""
    return [
        {"metadata": {"name": name}, "value": value, "description": SYSTEM_USES[name]}
        for name, value in SYSTEM_VALUES.items()
    ]


def default_objects() -> list[tuple[str, str, str | None, JSON]]:
    """Return (group, resource, namespace, object) of all that must be there, in the order to make it."""
    found: list[tuple[str, str, str | None, JSON]] = [
        ("", "namespaces", None, {"metadata": {"name": name}}) for name in SYSTEM_NAMESPACES
    ]
    found += [(RBAC_GROUP, "clusterroles", None, role) for role in cluster_roles()]
    found += [(RBAC_GROUP, "clusterrolebindings", None, binding) for binding in cluster_role_bindings()]
    found += [("scheduling.k8s.io", "priorityclasses", None, each) for each in priority_classes()]
    return found
