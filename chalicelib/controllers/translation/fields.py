"""The downward API: what a pod may say of itself to its containers.

Compare kubernetes/pkg/fieldpath and pkg/kubelet/kubelet_pods.go (v1.36). A task has no node but itself,
so the host's address is the task's own, as on EKS with Fargate.
"""

from __future__ import annotations

import json
import re

from chalicelib.apimachinery.accessors import metadata_of, spec_of
from chalicelib.apimachinery.types import JSON
from chalicelib.providers.base import ADDRESS

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")


def field_value(pod: JSON, path: str, *, node_name: str) -> str:
    """Return the value of a fieldRef. Raises LookupError for a path that Kubernetes does not know."""
    metadata, spec = metadata_of(pod), spec_of(pod)
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript:
        return str((metadata.get(subscript[1]) or {}).get(subscript[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        entries = sorted((metadata.get(path.partition(".")[2]) or {}).items())
        # one `key="value"` a line, values quoted as Go's %q does for usual text
        return "\n".join(f"{key}={json.dumps(str(value), ensure_ascii=False)}" for key, value in entries)
    values = {
        "metadata.name": metadata.get("name", ""),
        "metadata.namespace": metadata.get("namespace", ""),
        "metadata.uid": metadata.get("uid", ""),
        "spec.nodeName": spec.get("nodeName") or node_name,
        "spec.serviceAccountName": spec.get("serviceAccountName") or "default",
        "status.podIP": ADDRESS,
        "status.podIPs": ADDRESS,
        "status.hostIP": ADDRESS,
        "status.hostIPs": ADDRESS,
    }
    if path not in values:
        raise LookupError(f"unsupported fieldPath: {path}")
    return str(values[path])
