"""What there is for callers of all kinds to see, and who may: objects, roles and bindings."""

from __future__ import annotations

from chalicelib.apimachinery.types import JSON
from tests.api_client import ApiClient

RBAC = "/apis/rbac.authorization.k8s.io/v1"
MARK = "marked-content"  # in objects that are there to be seen by whom they may
SPEC: JSON = {"containers": [{"name": "c", "image": "i"}]}


def binding(role: str, subject: JSON) -> JSON:
    """Return a binding of a subject to a ClusterRole."""
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
    return {"metadata": {"name": f"{role}-{subject['name']}"}, "roleRef": reference, "subjects": [subject]}


def aggregate(api: ApiClient) -> None:
    """Let the viewer, in `mine`, read what roles of the label part=yes grant, but for the one of the tier prod."""
    for tier, resource in (("dev", "secrets"), ("prod", "rolebindings")):
        labels = {"part": "yes", "tier": tier}
        rule = {"apiGroups": ["*"], "resources": [resource], "verbs": ["get", "list"]}
        api.create(f"{RBAC}/clusterroles", {"metadata": {"name": f"part-{tier}", "labels": labels}, "rules": [rule]})
    not_prod = {"key": "tier", "operator": "NotIn", "values": ["prod"]}
    selector = {"matchLabels": {"part": "yes"}, "matchExpressions": [not_prod]}
    body = {"metadata": {"name": "whole"}, "aggregationRule": {"clusterRoleSelectors": [selector]}}
    api.create(f"{RBAC}/clusterroles", body)
    bind(api, "mine", "whole", {"kind": "User", "name": "viewer"})


def bind(api: ApiClient, namespace: str, role: str, subject: JSON) -> None:
    """Bind a subject to a ClusterRole in a namespace."""
    api.create(f"{RBAC}/namespaces/{namespace}/rolebindings", binding(role, subject))


def furnish(api: ApiClient, namespace: str) -> None:
    """Put an object `marked` of several kinds into a namespace."""
    metadata = {"name": "marked", "annotations": {"mark": MARK}}
    at = f"/api/v1/namespaces/{namespace}"
    for url, fields in (
        (f"{at}/pods", {"spec": SPEC}),
        (f"{at}/secrets", {}),
        (f"{at}/configmaps", {}),
        (f"{at}/services", {"spec": {"clusterIP": "None"}}),
        (f"{at}/serviceaccounts", {}),
        (f"{RBAC}/namespaces/{namespace}/roles", {"rules": []}),
    ):
        api.create(url, {"metadata": metadata, **fields})
    for name in ("worker", "spark"):
        api.create(f"{at}/serviceaccounts", {"metadata": {"name": name}})
