"""What every control plane begins with: system namespaces and priorities, a service account, the default roles.

Roles follow kubernetes.io/docs/reference/access-authn-authz/rbac, "Default roles and role bindings" (v1.36), cut
to the resources that we serve. They are made where missing, never changed where present.
"""

from __future__ import annotations

from chalicelib.apimachinery.types import JSON
from chalicelib.resources.policy.priorityclasses import SYSTEM_VALUES

SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
RBAC_GROUP = "rbac.authorization.k8s.io"
BOOTSTRAPPING = {"kubernetes.io/bootstrapping": "rbac-defaults"}

READ = ["get", "list", "watch"]
WRITE = ["create", "delete", "deletecollection", "patch", "update"]
VIEWED = [
    (
        "",
        ["configmaps", "endpoints", "events", "limitranges", "namespaces", "persistentvolumeclaims", "pods"],
    ),
    ("", ["pods/log", "pods/status", "podtemplates", "resourcequotas", "serviceaccounts", "services"]),
    ("apps", ["deployments", "replicasets", "statefulsets"]),
    ("batch", ["jobs", "jobs/status"]),
    ("discovery.k8s.io", ["endpointslices"]),
    ("networking.k8s.io", ["networkpolicies"]),
    ("policy", ["poddisruptionbudgets"]),
]
EDITED = [
    (
        "",
        [
            "configmaps",
            "endpoints",
            "events",
            "persistentvolumeclaims",
            "pods",
            "pods/attach",
            "pods/eviction",
        ],
    ),
    ("", ["pods/exec", "pods/portforward", "podtemplates", "secrets", "serviceaccounts", "services"]),
    ("apps", ["deployments", "deployments/scale", "replicasets", "statefulsets", "statefulsets/scale"]),
    ("batch", ["jobs"]),
    ("coordination.k8s.io", ["leases"]),
    ("networking.k8s.io", ["networkpolicies"]),
    ("policy", ["poddisruptionbudgets"]),
]
SYSTEM_USES = {
    "system-cluster-critical": (
        "Used for system critical pods that must run in the cluster, but can be moved to another node if"
        " necessary."
    ),
    "system-node-critical": "Used for system critical pods that must not be moved from their node.",
}
EVERYTHING: JSON = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
EVERY_PATH: JSON = {"nonResourceURLs": ["*"], "verbs": ["*"]}


def _rules(rows: list[tuple[str, list[str]]], verbs: list[str]) -> list[JSON]:
    return [{"apiGroups": [group], "resources": resources, "verbs": verbs} for group, resources in rows]


def _role(name: str, rules: list[JSON]) -> JSON:
    return {"metadata": {"name": name, "labels": dict(BOOTSTRAPPING)}, "rules": rules}


def cluster_roles() -> list[JSON]:
    """Return the default ClusterRoles."""
    view = _rules(VIEWED, READ)
    secrets = _rules([("", ["secrets"]), ("coordination.k8s.io", ["leases"])], READ)
    edit = [
        *view,
        *secrets,
        *_rules(EDITED, WRITE),
        *_rules([("", ["pods/exec", "pods/attach", "pods/portforward"])], ["get"]),
        *_rules([("", ["serviceaccounts/token"])], ["create"]),
        *_rules([("", ["serviceaccounts"])], ["impersonate"]),
    ]
    rbac = _rules([(RBAC_GROUP, ["roles", "rolebindings"])], [*READ, *WRITE])
    review = _rules([("authorization.k8s.io", ["localsubjectaccessreviews"])], ["create"])
    return [
        _role("cluster-admin", [EVERYTHING, EVERY_PATH]),
        _role("admin", [*edit, *rbac, *review]),
        _role("edit", edit),
        _role("view", view),
    ]


def cluster_role_bindings() -> list[JSON]:
    """Return the default ClusterRoleBindings."""
    return [
        {
            "metadata": {"name": "cluster-admin", "labels": dict(BOOTSTRAPPING)},
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
    found.append(("", "serviceaccounts", "default", {"metadata": {"name": "default"}}))
    found += [(RBAC_GROUP, "clusterroles", None, role) for role in cluster_roles()]
    found += [(RBAC_GROUP, "clusterrolebindings", None, binding) for binding in cluster_role_bindings()]
    found += [("scheduling.k8s.io", "priorityclasses", None, each) for each in priority_classes()]
    return found
