"""The kubeconfig of a local control plane, for kubectl, Spark and the Kubernetes clients.

Reference: kubernetes.io/docs/reference/config-api/kubeconfig.v1 (v1.36).
"""

from __future__ import annotations

import base64
from pathlib import Path

import yaml

from chalicelib.apimachinery.types import JSON
from chalicelib.private_folder import write_private

CONTEXT = "sparkanywhere"


def kubeconfig(url: str, *, token: str = "", ca_pem: bytes = b"", namespace: str = "default") -> JSON:
    """Return a kubeconfig with one cluster, user and context, all of them named `sparkanywhere`.

    Without a token the user has no credentials; without `ca_pem` the machine's own trusted CAs count.
    """
    cluster: JSON = {"server": url}
    if ca_pem:
        cluster["certificate-authority-data"] = base64.b64encode(ca_pem).decode("ascii")
    user: JSON = {"token": token} if token else {}
    context = {"cluster": CONTEXT, "user": CONTEXT, "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": cluster}],
        "users": [{"name": CONTEXT, "user": user}],
        "contexts": [{"name": CONTEXT, "context": context}],
        "current-context": CONTEXT,
        "preferences": {},
    }


def write_kubeconfig(path: Path, config: JSON) -> None:
    """Write `config` to `path` as YAML, readable by its owner alone, in one step."""
    write_private(path, yaml.safe_dump(config, sort_keys=False).encode())
