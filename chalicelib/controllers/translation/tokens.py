"""The tokens that pods find in their files, bound to the pod and dead with it."""

from __future__ import annotations

from chalicelib.controllers.podmodel.references import TokenRequest
from chalicelib.controllers.runtime.lookup import Lookup
from chalicelib.controllers.runtime.tokens import TokenClaims, TokenIssuer

# A year, as a real server extends such tokens to: files are not rotated here, and a job may last for days.
TOKEN_SECONDS = 365 * 24 * 3600


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
