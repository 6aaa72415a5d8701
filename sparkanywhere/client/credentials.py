"""How a context of the kubeconfigs reaches its server: address, certificates, token or credential plugin.

Reference: kubernetes.io/docs/reference/config-api/kubeconfig.v1 (v1.36); credential plugins by
client.authentication.k8s.io ExecCredential (so `aws eks get-token` works).
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sparkanywhere.client.kube_client import Access, NoAccess
from sparkanywhere.client.kubeconfigs import Entry, Kubeconfigs
from sparkanywhere.client.printable import brief, one_line

PLUGIN_SECONDS = 30.0  # for a credential plugin, which may ask STS
EXEC_VERSION = "client.authentication.k8s.io/v1beta1"
# Ignoring these would connect to another server, or act as another user.
UNSUPPORTED = ("proxy-url", "tls-server-name", "auth-provider", "username", "as")


class CredentialsMissing(NoAccess):
    """A context's token or certificate cannot be had; `anonymous` reaches its server without them."""

    def __init__(self, text: str, anonymous: Access) -> None:
        super().__init__(text)
        self.anonymous = anonymous


def access_of(kubeconfigs: Kubeconfigs, name: str, environ: Mapping[str, str]) -> Access:
    """Return how to reach the server of a context that exists. May run its credential plugin.

    Raises NoAccess; CredentialsMissing where it is only the user's credentials that cannot be had.
    """
    context = kubeconfigs.contexts[name]
    cluster, user = kubeconfigs.cluster_of(context), kubeconfigs.user_of(context)
    url = cluster.body.get("server")
    what = f"context {name!r} of {context.file}"
    if not url:
        raise NoAccess(f"The {what} names no server.")
    try:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(url)
    except (ValueError, AttributeError, TypeError) as error:
        raise NoAccess(f"The server of {what} is not a URL of http or https: {error}") from error
    for key in UNSUPPORTED:
        if cluster.body.get(key) or user.body.get(key):
            raise NoAccess(f"The {what} has {key}, which is not supported here.")
    try:
        anonymous = Access(
            url=url.rstrip("/"),
            ca_pem=_text(cluster, "certificate-authority"),
            is_insecure=bool(cluster.body.get("insecure-skip-tls-verify")),
        )
    except (OSError, ValueError) as error:  # also of broken base64
        raise NoAccess(f"The certificate of {what} cannot be read: {error}") from error
    try:
        found = _credentials(user, environ)
    except NoAccess as error:
        raise CredentialsMissing(str(error), anonymous) from error
    except (OSError, ValueError) as error:
        raise CredentialsMissing(f"The credentials of {what} cannot be read: {error}", anonymous) from error
    return replace(anonymous, token=found["token"], certificate_pem=found["certificate_pem"], key_pem=found["key_pem"])


def _text(entry: Entry, key: str) -> str:
    """Return a PEM text that an entry holds, or that of the file that it names; "" if neither."""
    data = entry.body.get(f"{key}-data")
    if data:
        return base64.b64decode(data).decode()
    file = entry.path(key)
    return file.read_text() if file else ""


def _credentials(user: Entry, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of an Access that say who we are. Raises NoAccess, OSError, ValueError."""
    found = {
        "token": str(user.body.get("token") or ""),
        "certificate_pem": _text(user, "client-certificate"),
        "key_pem": _text(user, "client-key"),
    }
    file = user.path("tokenFile")
    if file and not found["token"]:
        found["token"] = file.read_text().strip()
    if "exec" in user.body and not any(found.values()):
        status = _ask_plugin(user.body["exec"], user.file.parent, environ)
        found = {
            "token": str(status.get("token") or ""),
            "certificate_pem": str(status.get("clientCertificateData") or ""),
            "key_pem": str(status.get("clientKeyData") or ""),
        }
    return found


def _ask_plugin(plugin: Mapping[str, Any], folder: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the status of the ExecCredential that a plugin prints; a path in its name begins in `folder`.

    Raises NoAccess, with the last line that a plugin which fails has said.
    """
    if not isinstance(plugin, Mapping) or not plugin.get("command"):
        raise NoAccess("The exec of the context's user names no command.")
    program = str(plugin["command"])
    try:
        version = plugin.get("apiVersion") or EXEC_VERSION
        info = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
        extra = {each["name"]: each["value"] for each in plugin.get("env") or ()}
        ran = subprocess.run(
            [str(folder.absolute() / program) if os.sep in program else program, *(plugin.get("args") or ())],
            env={**environ, **extra, "KUBERNETES_EXEC_INFO": json.dumps(info)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PLUGIN_SECONDS,
            check=True,
        )
        status: dict[str, Any] = json.loads(ran.stdout)["status"]
        if not (status.get("token") or status.get("clientCertificateData")):
            raise KeyError("token")
    except FileNotFoundError as error:
        hint = one_line(str(plugin.get("installHint") or "")).strip()
        raise NoAccess(f"The credential plugin {program!r} is not installed.{' ' if hint else ''}{hint}") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip() or error.stdout.strip() or "it said nothing").splitlines()[-1]
        raise NoAccess(f"The credential plugin {program!r} ended with {error.returncode}: {brief(said)}") from error
    except subprocess.TimeoutExpired as error:
        raise NoAccess(f"The credential plugin {program!r} did not end within {PLUGIN_SECONDS:.0f} s.") from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise NoAccess(f"The credential plugin {program!r} gave no token: {error}") from error
    return status
