"""Which control plane, and how to get in: kubeconfig's contexts are used as they are, none are invented.

Reference: kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig; credential plugins by
client.authentication.k8s.io ExecCredential (so `aws eks get-token` works).
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkanywhere.client.kube_client import Access

PLUGIN_SECONDS = 30.0  # for a credential plugin, which may ask STS
EXEC_VERSION = "client.authentication.k8s.io/v1beta1"


class NoAccess(Exception):
    """There is no way to a control plane; str() says what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """A control plane and the namespace to work in."""

    access: Access
    namespace: str = "default"
    context: str = ""


def kubeconfig_path(environ: Mapping[str, str]) -> Path:
    """Return the kubeconfig in use: KUBECONFIG's first file, the local control plane's, or ~/.kube/config."""
    given = environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    if given:
        return Path(given)
    state = environ.get("SPARKANYWHERE_STATE") or Path(
        environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state", "sparkanywhere"
    )
    local = Path(state) / environ.get("SPARKANYWHERE_INSTANCE", "default") / "kubeconfig"
    return local if local.exists() else Path.home() / ".kube" / "config"


def load(path: Path) -> dict[str, Any]:  # Any: a kubeconfig as YAML
    """Return a kubeconfig. Raises NoAccess."""
    import yaml  # lazy: --help needs none

    try:
        config = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise NoAccess(
            f"No control plane is known: {path} is not there. Start one with `sparkanywhere serve`, or set"
            " KUBECONFIG."
        ) from None
    except (OSError, yaml.YAMLError) as error:
        raise NoAccess(f"{path} cannot be read: {error}") from error
    return config if isinstance(config, dict) else {}


def contexts(config: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Return (context, server, whether it is the current one) of a kubeconfig."""
    servers = {each["name"]: each["cluster"].get("server", "") for each in config.get("clusters") or ()}
    current = config.get("current-context")
    return [
        (each["name"], servers.get(each["context"].get("cluster"), ""), each["name"] == current)
        for each in config.get("contexts") or ()
    ]


def find_target(environ: Mapping[str, str], *, context: str = "", namespace: str = "") -> Target:
    """Return the control plane of a context (the current one if none is named). Raises NoAccess."""
    path = kubeconfig_path(environ)
    config = load(path)
    name = context or config.get("current-context") or ""
    chosen = _named(config.get("contexts"), name)
    if chosen is None:
        known = ", ".join(each[0] for each in contexts(config)) or "none"
        raise NoAccess(f"{path} has no context {name!r}; it has: {known}.")
    about = chosen["context"]
    cluster = (_named(config.get("clusters"), about.get("cluster")) or {}).get("cluster") or {}
    user = (_named(config.get("users"), about.get("user")) or {}).get("user") or {}
    if not cluster.get("server"):
        raise NoAccess(f"Context {name!r} of {path} names no server.")
    access = Access(cluster["server"].rstrip("/"), _token(user, environ), _authority(cluster))
    return Target(access, namespace or about.get("namespace") or "default", name)


def _named(entries: Any, name: str | None) -> dict[str, Any] | None:
    return next((each for each in entries or () if each.get("name") == name), None)


def _authority(cluster: Mapping[str, Any]) -> str:
    data = cluster.get("certificate-authority-data")
    if data:
        return base64.b64decode(data).decode()
    file = cluster.get("certificate-authority")
    return Path(file).read_text() if file else ""


def _token(user: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    if user.get("token"):
        return str(user["token"])
    if user.get("tokenFile"):
        return Path(user["tokenFile"]).read_text().strip()
    plugin = user.get("exec")
    return _ask_plugin(plugin, environ) if plugin else ""


def _ask_plugin(plugin: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    version = plugin.get("apiVersion") or EXEC_VERSION
    info = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    extra = {each["name"]: each["value"] for each in plugin.get("env") or ()}
    command = [plugin["command"], *(plugin.get("args") or ())]
    try:
        ran = subprocess.run(
            command,
            env={**environ, **extra, "KUBERNETES_EXEC_INFO": json.dumps(info)},
            capture_output=True,
            text=True,
            timeout=PLUGIN_SECONDS,
            check=True,
        )
        return str(json.loads(ran.stdout)["status"]["token"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        raise NoAccess(f"The credential plugin {plugin['command']!r} gave no token: {error}") from error
