"""What pods show who they are by: logins to registries, and tokens bound to the pod and dead with it.

Formats of logins: Secrets of type kubernetes.io/dockerconfigjson (a Docker config.json) and the older
kubernetes.io/dockercfg (its `auths` alone).
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from chalicelib.apimachinery.accessors import spec_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.references import References, TokenRequest
from chalicelib.controllers.runtime.objects import Lookup
from chalicelib.controllers.runtime.tokens import TokenClaims, TokenIssuer
from chalicelib.providers.base import RegistryLogin

# A year, as a real server extends such tokens to: files are not rotated here, and a job may last for days.
TOKEN_SECONDS = 365 * 24 * 3600


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


class PodTokens:
    """An IssueToken over a TokenIssuer. The account `default` need not be there."""

    def __init__(self, issuer: TokenIssuer) -> None:
        self._issuer = issuer

    def __call__(self, request: TokenRequest, lookup: Lookup) -> str:
        """Return a token; for an audience of its own, as short-lived as was asked. Raises LookupError."""
        account = lookup.find("serviceaccounts", request.namespace, request.service_account)
        if account is None and request.service_account != "default":
            raise LookupError(request.service_account)
        claims = TokenClaims(
            namespace=request.namespace,
            service_account=request.service_account,
            service_account_uid=(account or {}).get("metadata", {}).get("uid", ""),
            pod_name=request.pod_name,
            pod_uid=request.pod_uid,
        )
        asked = request.expiration_seconds if request.audience else None
        seconds = asked or TOKEN_SECONDS
        audiences = [request.audience] if request.audience else []
        return self._issuer.issue(claims, seconds=seconds, audiences=audiences).token
