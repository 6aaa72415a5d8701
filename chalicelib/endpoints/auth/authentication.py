"""Authentication: lower-case headers to a User, by whichever kind of token the request carries.

Reference: kubernetes.io/docs/reference/access-authn-authz/authentication (v1.36).
"""

from __future__ import annotations

import csv
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from chalicelib.apimachinery.rules.status import unauthorized
from chalicelib.controllers.runtime.tokens import POD_GROUP, TokenClaims, TokenInvalid, TokenIssuer
from chalicelib.endpoints.http.requests import User

AUTHENTICATED = "system:authenticated"
MASTERS = "system:masters"
ADMIN = User("sparkanywhere-admin", (MASTERS, AUTHENTICATED))
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
POD_NAME = "authentication.kubernetes.io/pod-name"
POD_UID = "authentication.kubernetes.io/pod-uid"


class TokenAuthenticator(Protocol):
    """Recognizes one kind of token."""

    def find_user(self, token: str) -> User | None:
        """Return the token's user, None if it is not of this kind. Raises 401 for an invalid one of this kind."""
        ...


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A token that is valid as long as it is configured."""

    user: User
    token: str = field(repr=False)


class StaticTokens:
    """Tokens given by configuration: the administrator's, and those of a token file."""

    def __init__(self, tokens: Sequence[StaticToken]) -> None:
        self._tokens = tuple(tokens)

    def find_user(self, token: str) -> User | None:
        """Return the user of a configured token; every one is compared, in constant time each."""
        found: User | None = None
        for known in self._tokens:
            if hmac.compare_digest(known.token.encode(), token.encode()):
                found = known.user
        return found


class ServiceAccountTokens:
    """Tokens issued by TokenRequest and in pods' projected volumes."""

    def __init__(self, issuer: TokenIssuer) -> None:
        self._issuer = issuer

    def find_user(self, token: str) -> User | None:
        """Return the service account that a token was issued to."""
        if token.count(".") != 2:
            return None  # not a JSON Web Token at all
        try:
            return service_account_user(self._issuer.verify(token))
        except TokenInvalid:
            return None


def service_account_user(claims: TokenClaims) -> User:
    """Return the user that authorization sees for a service account."""
    extra: dict[str, tuple[str, ...]] = {}
    groups: tuple[str, ...] = ("system:serviceaccounts", f"system:serviceaccounts:{claims.namespace}")
    groups += (AUTHENTICATED,)
    if claims.pod_uid:
        extra = {POD_NAME: (claims.pod_name,), POD_UID: (claims.pod_uid,)}
        groups += (POD_GROUP + claims.pod_uid,)
    name = f"system:serviceaccount:{claims.namespace}:{claims.service_account}"
    return User(name, groups, claims.service_account_uid, extra)


def read_token_file(path: Path) -> list[StaticToken]:
    """Return the tokens of a file in kube-apiserver's --token-auth-file format: token,user,uid,"groups".

    Raises ValueError for a malformed line, without quoting it: it may hold a token.
    """
    tokens = []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        for row in reader:
            if not row or row[0].startswith("#"):
                continue
            token, user, uid, *rest = [cell.strip() for cell in row] + [""] * (3 - len(row))
            if not (token and user and uid):
                raise ValueError(f'{path}, line {reader.line_num}: a line is token,user,uid,"groups"')
            groups = tuple(name.strip() for name in rest[0].split(",") if name.strip()) if rest else ()
            tokens.append(StaticToken(User(user, (*groups, AUTHENTICATED), uid), token))
    return tokens


def bearer_token(headers: Mapping[str, str]) -> str:
    """Return the bearer token of a request, "" without one."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


class Authenticator:
    """Tries each kind of token in turn; a request without credentials is `anonymous`."""

    def __init__(self, kinds: Sequence[TokenAuthenticator], anonymous: User) -> None:
        self._kinds = tuple(kinds)
        self._anonymous = anonymous

    def authenticate(self, headers: Mapping[str, str]) -> User:
        """Return the caller. Raises 401 for an unknown token or another scheme."""
        if not headers.get("authorization", "").strip():
            return self._anonymous
        token = bearer_token(headers)
        for kind in self._kinds if token else ():
            user = kind.find_user(token)
            if user is not None:
                return user
        raise unauthorized()
