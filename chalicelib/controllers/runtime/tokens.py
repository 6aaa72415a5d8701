"""Service-account tokens: short-lived, signed by us, bound to a namespace and a pod, dead when the pod is.

The claims are those of a real API server's bound tokens (kubernetes.io/docs/reference/access-authn-authz/
service-accounts-admin, "Bound service account tokens", v1.36). The signing key is made once per store and kept
in it, beside the objects and out of every route's reach. Tokens for our own route of staged files are
signed with a key derived from it: whatever audience a client asks a service-account token for, it opens no such route.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from chalicelib.apimachinery.accessors import is_terminal
from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import KeyExists, KeyNotFound, Storage, StoredObject
from chalicelib.storage.keys import object_key

ISSUER = "https://kubernetes.default.svc"
POD_GROUP = "sparkanywhere:pod:"  # and its uid: the group of those who have a token of that pod, see auth/rbac.py
ALGORITHM = "HS256"  # one party signs and verifies, so no key pair and no cryptography package on Lambda
KEY_BYTES = 32
LEEWAY_SECONDS = 60  # by which clocks of servers that share a store may differ, as in a real server
INVALID = "invalid bearer token"  # of no kind that is known, or not signed by us
GONE = "service account token has been invalidated"
KEY_PLACE = object_key("sparkanywhere-signing-keys", None, "service-accounts")

Purpose = Literal["service-account", "staged-file"]


class TokenInvalid(Exception):
    """The token is not ours, has expired, or its pod or service account is gone; str() as a real server says it."""


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """Whom a valid token stands for; pod_name and pod_uid are empty for one bound to no pod.

    token_id, issued_at (Unix seconds) and audiences are those of a token that has been verified; `bound_to` is then
    its service account and its pod, as they are stored.
    """

    namespace: str
    service_account: str
    service_account_uid: str = ""
    pod_name: str = ""
    pod_uid: str = ""
    token_id: str = ""
    issued_at: int = 0
    audiences: tuple[str, ...] = ()
    bound_to: tuple[StoredObject, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def read(cls, payload: dict[str, Any]) -> TokenClaims:  # Any: JSON of a token's sender
        """Return what a token's payload says. Raises KeyError, TypeError."""
        private, audience = payload["kubernetes.io"], payload["aud"]
        account, pod = private["serviceaccount"], private.get("pod") or {}
        return cls(
            namespace=str(private["namespace"]),
            service_account=str(account["name"]),
            service_account_uid=str(account.get("uid", "")),
            pod_name=str(pod.get("name", "")),
            pod_uid=str(pod.get("uid", "")),
            token_id=str(payload.get("jti", "")),
            issued_at=int(payload.get("iat", 0)),
            audiences=(audience,) if isinstance(audience, str) else tuple(audience),
        )


@dataclass(frozen=True, slots=True)
class Issued:
    """A token and when it ends to be valid."""

    token: str
    expires_at: datetime


class TokenIssuer:
    """Makes and checks tokens. Safe to call from many threads."""

    def __init__(self, storage: Storage, *, clock: Callable[[], datetime], new_uid: Callable[[], str]) -> None:
        self._storage = storage
        self._clock = clock
        self._new_uid = new_uid
        self._key: bytes = b""

    def issue(
        self, claims: TokenClaims, *, seconds: int, audiences: Sequence[str] = (), purpose: Purpose = "service-account"
    ) -> Issued:
        """Return a token for `claims` that is valid for `seconds`, and for `purpose` alone."""
        import jwt  # lazy: most requests make no token

        now = self._clock()
        expires_at = now + timedelta(seconds=seconds)
        account: JSON = {"name": claims.service_account, "uid": claims.service_account_uid}
        private: JSON = {"namespace": claims.namespace, "serviceaccount": account}
        if claims.pod_uid:
            private["pod"] = {"name": claims.pod_name, "uid": claims.pod_uid}
        payload = {
            "aud": list(audiences) or [ISSUER],
            "exp": int(expires_at.timestamp()),
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "iss": ISSUER,
            "jti": self._new_uid(),
            "sub": f"system:serviceaccount:{claims.namespace}:{claims.service_account}",
            "kubernetes.io": private,
        }
        return Issued(jwt.encode(payload, self._signing_key(purpose), algorithm=ALGORITHM), expires_at)

    def verify(self, token: str, *audiences: str, purpose: Purpose = "service-account") -> TokenClaims:
        """Return what a token stands for, to one of the audiences; without any, to this API.

        Raises TokenInvalid also when its pod has ended, and when its service account is gone or another of that name.
        """
        import jwt

        try:
            payload = jwt.decode(
                token,
                self._signing_key(purpose),
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                options={
                    "require": ["exp", "sub"],
                    # below, by our clock and in a real server's words
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
            claims = TokenClaims.read(payload)
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError) as error:
            raise TokenInvalid(INVALID) from error
        now = self._clock().timestamp()
        if now >= payload["exp"]:
            raise TokenInvalid("service account token has expired")
        if payload.get("nbf", 0) > now + LEEWAY_SECONDS:
            raise TokenInvalid("service account token is not valid yet")
        wanted = audiences or (ISSUER,)
        if not set(wanted) & set(claims.audiences):
            theirs, ours = (" ".join(json.dumps(each) for each in some) for some in (claims.audiences, wanted))
            raise TokenInvalid(f"token audiences [{theirs}] is invalid for the target audiences [{ours}]")
        return replace(claims, bound_to=tuple(self._bound_to(claims)))

    def _bound_to(self, claims: TokenClaims) -> Iterator[StoredObject]:
        """Yield what a token is bound to, if all of it is still there."""
        account = object_key("serviceaccounts", claims.namespace, claims.service_account)
        pod = object_key("pods", claims.namespace, claims.pod_name)
        uids = {account: claims.service_account_uid, pod: claims.pod_uid}
        wanted = [key for key, uid in uids.items() if uid]
        found = self._storage.get_all(wanted) if wanted else {}
        for key in wanted:
            obj = found[key].object() if key in found else {"metadata": {}}
            if obj["metadata"].get("uid") != uids[key] or (key == pod and is_terminal(obj)):
                raise TokenInvalid(GONE)
            yield found[key]

    def _signing_key(self, purpose: Purpose) -> bytes:
        if not self._key:
            try:
                found = self._storage.get(KEY_PLACE).object()
            except KeyNotFound:
                made = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
                obj: JSON = {"metadata": {"name": "service-accounts", "uid": self._new_uid()}, "key": made}
                try:
                    found = self._storage.create(KEY_PLACE, obj).object()
                except KeyExists:  # another process was first: its key counts
                    found = self._storage.get(KEY_PLACE).object()
            self._key = base64.b64decode(found["key"])
        if purpose == "service-account":
            return self._key
        return hmac.digest(self._key, purpose.encode(), hashlib.sha256)
