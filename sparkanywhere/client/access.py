"""Which control plane to use, and with which credentials: those of kubeconfig's contexts.

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
from urllib.parse import urlsplit

import yaml

from sparkanywhere.client.kube_client import Access

PLUGIN_SECONDS = 30.0  # for a credential plugin, which may ask STS
EXEC_VERSION = "client.authentication.k8s.io/v1beta1"
# Ignoring these would connect to another server, or act as another user.
UNSUPPORTED = ("proxy-url", "tls-server-name", "auth-provider", "username", "as")


class NoAccess(Exception):
    """No control plane can be used; str() says what to do."""


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
    try:
        config = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise NoAccess(
            f"No control plane is known: {path} is not there. Start one with `sparkanywhere serve`, or set KUBECONFIG."
        ) from None
    except (OSError, ValueError) as error:
        raise NoAccess(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise NoAccess(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if config is None:
        return {}
    for key, part in (("clusters", "cluster"), ("contexts", "context"), ("users", "user")):
        entries = config.get(key) or [] if isinstance(config, dict) else None
        if not isinstance(entries, list) or not all(
            isinstance(each, dict) and "name" in each and isinstance(each.get(part) or {}, dict) for each in entries
        ):
            raise NoAccess(f"{path} is not a kubeconfig: {key} is a list of objects with a name and a {part}.")
    found: dict[str, Any] = config
    return found


def contexts(config: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Return (context, server, whether it is the current one) of a kubeconfig."""
    servers = {each["name"]: (each.get("cluster") or {}).get("server", "") for each in config.get("clusters") or ()}
    current = config.get("current-context")
    return [
        (each["name"], servers.get((each.get("context") or {}).get("cluster"), ""), each["name"] == current)
        for each in config.get("contexts") or ()
    ]


def find_target(environ: Mapping[str, str], *, context: str = "", namespace: str = "") -> Target:
    """Return the control plane of a context (the current one if none is named). Raises NoAccess."""
    path = kubeconfig_path(environ)
    config = load(path)
    name = context or config.get("current-context") or ""
    chosen = _named(config.get("contexts"), name).get("context")
    if chosen is None:
        known = ", ".join(each[0] for each in contexts(config)) or "none"
        raise NoAccess(f"{path} has no context {name!r}; it has: {known}.")
    cluster = _named(config.get("clusters"), chosen.get("cluster")).get("cluster") or {}
    user = _named(config.get("users"), chosen.get("user")).get("user") or {}
    if not cluster.get("server"):
        raise NoAccess(f"Context {name!r} of {path} names no server.")
    try:
        urlsplit(cluster["server"])
    except (ValueError, AttributeError, TypeError) as error:
        raise NoAccess(f"The server of context {name!r} of {path} is not a URL: {error}") from error
    for key in UNSUPPORTED:
        if cluster.get(key) or user.get(key):
            raise NoAccess(f"Context {name!r} of {path} has {key}, which is not supported here.")
    try:
        access = Access(
            url=cluster["server"].rstrip("/"),
            ca_pem=_text(cluster, "certificate-authority", path.parent),
            is_insecure=bool(cluster.get("insecure-skip-tls-verify")),
            **_credentials(user, path.parent, environ),
        )
    except (OSError, ValueError) as error:  # also of broken base64
        raise NoAccess(f"The credentials of context {name!r} of {path} cannot be read: {error}") from error
    return Target(access, namespace or chosen.get("namespace") or "default", name)


def _named(entries: Any, name: str | None) -> dict[str, Any]:
    return next((each for each in entries or () if each.get("name") == name), {})


def _text(entry: Mapping[str, Any], key: str, folder: Path) -> str:
    """Return a PEM text that an entry holds, or the file that it names, relative to the kubeconfig's folder."""
    data = entry.get(f"{key}-data")
    if data:
        return base64.b64decode(data).decode()
    return (folder / entry[key]).read_text() if entry.get(key) else ""


def _credentials(user: Mapping[str, Any], folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of an Access that say who we are. Raises NoAccess, OSError, ValueError."""
    found = {
        "token": str(user.get("token") or ""),
        "certificate_pem": _text(user, "client-certificate", folder),
        "key_pem": _text(user, "client-key", folder),
    }
    if user.get("tokenFile") and not found["token"]:
        found["token"] = (folder / user["tokenFile"]).read_text().strip()
    if user.get("exec") and not any(found.values()):
        status = _ask_plugin(user["exec"], environ)
        found = {
            "token": str(status.get("token") or ""),
            "certificate_pem": str(status.get("clientCertificateData") or ""),
            "key_pem": str(status.get("clientKeyData") or ""),
        }
    return found


def _ask_plugin(plugin: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the status of the ExecCredential that a plugin prints. Raises NoAccess."""
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
        status: dict[str, Any] = json.loads(ran.stdout)["status"]
        if not (status.get("token") or status.get("clientCertificateData")):
            raise KeyError("token")
    except (OSError, subprocess.SubprocessError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise NoAccess(f"The credential plugin {plugin['command']!r} gave no token: {error}") from error
    return status
