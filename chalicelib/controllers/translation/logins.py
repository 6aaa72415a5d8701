"""The logins in a pod's imagePullSecrets, or in those of its service account.

Formats: Secrets of type kubernetes.io/dockerconfigjson (a Docker config.json) and the older
kubernetes.io/dockercfg (its `auths` alone).
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from chalicelib.apimachinery.accessors import spec_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.references import References
from chalicelib.providers.base import RegistryLogin


def logins(pod: JSON, references: References) -> tuple[RegistryLogin, ...]:
    """Return the logins, in order; a Secret that is absent or unreadable gives none, as with a kubelet."""
    spec = spec_of(pod)
    named = spec.get("imagePullSecrets")
    if not named:
        account = references.find("serviceaccounts", spec.get("serviceAccountName") or "default") or {}
        named = account.get("imagePullSecrets") or ()
    found: list[RegistryLogin] = []
    for reference in named:
        data = references.data("secrets", reference.get("name", "")) or {}
        auths = _decoded(data.get(".dockerconfigjson")).get("auths") or _decoded(data.get(".dockercfg"))
        if isinstance(auths, dict):
            found.extend(_login(host, entry) for host, entry in auths.items() if isinstance(entry, dict))
    return tuple(found)


def _decoded(text: bytes | None) -> dict[str, Any]:  # Any: a file of the user's
    try:
        found = json.loads(text or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _login(registry: str, entry: dict[str, Any]) -> RegistryLogin:
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if not username and entry.get("auth"):
        try:
            decoded = base64.b64decode(str(entry["auth"])).decode()
        except (binascii.Error, ValueError):
            decoded = ""
        username, _, password = decoded.partition(":")
    return RegistryLogin(registry, username, password)
