"""Driver rights: the RoleBinding by which a Spark driver may manage what it owns, stored and removed with its pod.

Its subject is the group of the pod itself (POD_GROUP): what that is granted holds for the pod's own objects alone, so
whoever creates a pod with a driver's label gains nothing over anybody else's. docs/security.md, "Rights".
"""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.apimachinery.accessors import labels_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.runtime.tokens import POD_GROUP
from chalicelib.resources.access.rbac import RBAC_GROUP
from chalicelib.resources.default_objects import DRIVER_ROLE

COPIED_LABELS = ("spark-app-selector", "spark-app-name")


def driver_binding(pod: JSON, *, new_uid: Callable[[], str]) -> JSON | None:
    """Return the RoleBinding of a new driver pod, complete but for its revision; None for any other pod."""
    labels, metadata = labels_of(pod), pod["metadata"]
    if labels.get("spark-role") != "driver":
        return None
    name, uid = metadata["name"], metadata["uid"]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}
    kept = {key: labels[key] for key in COPIED_LABELS if key in labels}
    return {
        "kind": "RoleBinding",
        "apiVersion": f"{RBAC_GROUP}/v1",
        "metadata": {
            # With part of the uid: a pod's of the same name may not have been collected yet.
            "name": f"{DRIVER_ROLE}:{name}:{uid[:8]}",
            "namespace": metadata["namespace"],
            "uid": new_uid(),
            "creationTimestamp": metadata["creationTimestamp"],
            "labels": {"app.kubernetes.io/managed-by": "sparkanywhere", **kept},
            "ownerReferences": [owner],
        },
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": DRIVER_ROLE},
        "subjects": [{"apiGroup": RBAC_GROUP, "kind": "Group", "name": POD_GROUP + uid}],
    }
