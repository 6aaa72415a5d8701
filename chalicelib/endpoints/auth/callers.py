"""Callers: lower-case headers to a User, by whichever kind of token, and to another one where RBAC allows it.

Reference: kubernetes.io/docs/reference/access-authn-authz/authentication (v1.36), also "User impersonation". Never
ignored: a request that asks to be less than its caller must not be answered with the caller's rights.
"""

from __future__ import annotations

import csv
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

from chalicelib.apimachinery.rules.status import bad_request, unauthorized
from chalicelib.controllers.runtime.tokens import POD_GROUP, TokenClaims, TokenInvalid, TokenIssuer
from chalicelib.endpoints.auth.rbac import SERVICE_ACCOUNT_PREFIX, Attributes, Rbac, refusal
from chalicelib.endpoints.http.requests import AUTHENTICATED, MASTERS, User

ADMIN = User("sparkanywhere-admin", (MASTERS, AUTHENTICATED))
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
POD_NAME = "authentication.kubernetes.io/pod-name"
POD_UID = "authentication.kubernetes.io/pod-uid"
CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
# Headers of impersonation
PREFIX = "impersonate-"
USER, GROUP, UID, EXTRA = "impersonate-user", "impersonate-group", "impersonate-uid", "impersonate-extra-"


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
    """Tokens issued by TokenRequest and in pods' projected volumes. Their users are in `more_groups`, too."""

    def __init__(self, issuer: TokenIssuer, more_groups: tuple[str, ...] = ()) -> None:
        self._issuer = issuer
        self._more_groups = more_groups

    def find_user(self, token: str) -> User | None:
        """Return the service account that a token was issued to."""
        if token.count(".") != 2:
            return None  # not a JSON Web Token at all
        try:
            user = service_account_user(self._issuer.verify(token))
        except TokenInvalid:
            return None
        return replace(user, groups=(*user.groups, *self._more_groups))


def service_account_user(claims: TokenClaims) -> User:
    """Return the user that authorization sees for a service account."""
    extra: dict[str, tuple[str, ...]] = {CREDENTIAL_ID: (f"JTI={claims.token_id}",)} if claims.token_id else {}
    groups: tuple[str, ...] = ("system:serviceaccounts", f"system:serviceaccounts:{claims.namespace}")
    groups += (AUTHENTICATED,)
    if claims.pod_uid:
        extra |= {POD_NAME: (claims.pod_name,), POD_UID: (claims.pod_uid,)}
        groups += (POD_GROUP + claims.pod_uid,)
    name = f"system:serviceaccount:{claims.namespace}:{claims.service_account}"
    return User(name, groups, claims.service_account_uid, extra, claims.bound_to)


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
        user = self.find_user(bearer_token(headers))
        if user is None:
            raise unauthorized()
        return user

    def find_user(self, token: str) -> User | None:
        """Return the user of a token of any kind. Raises 401 for an invalid one of some kinds."""
        found = (kind.find_user(token) for kind in self._kinds if token)
        return next((user for user in found if user is not None), None)


def asked_user(headers: Mapping[str, str]) -> User | None:
    """Return the user that a request asks to act as, None where it acts as its caller. Raises 400.

    A header given several times has its values joined by commas.
    """
    if not any(name.startswith(PREFIX) for name in headers):
        return None
    name = headers.get(USER, "")
    if not name:
        raise bad_request("requested impersonation without a user: Impersonate-User must be set")
    groups = tuple(each.strip() for each in headers.get(GROUP, "").split(",") if each.strip())
    extra = {
        unquote(key.removeprefix(EXTRA)): tuple(each.strip() for each in value.split(","))
        for key, value in headers.items()
        if key.startswith(EXTRA)
    }
    return User(name, groups, headers.get(UID, ""), extra)


def acting_user(caller: User, wanted: User, rbac: Rbac) -> User:
    """Return the user that the request acts as: `wanted`, with the groups that go with the name. Raises 403."""
    for asked in _asked(wanted):
        if not rbac.allows(caller, asked):
            raise refusal(caller, asked)
    account, groups = _service_account(wanted.name), wanted.groups
    if account and not groups:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{account[0]}")
    if wanted.name != ANONYMOUS.name and AUTHENTICATED not in groups and "system:unauthenticated" not in groups:
        groups = (*groups, AUTHENTICATED)
    return replace(wanted, groups=groups)


def _asked(wanted: User) -> Iterator[Attributes]:
    """Yield what the caller must be allowed to do, one after the other."""
    account = _service_account(wanted.name)
    if account:
        yield Attributes("impersonate", "", "serviceaccounts", account[0], account[1])
    else:
        yield Attributes("impersonate", "", "users", "", wanted.name)
    for group in wanted.groups:
        yield Attributes("impersonate", "", "groups", "", group)
    if wanted.uid:
        yield Attributes("impersonate", "authentication.k8s.io", "uids", "", wanted.uid)
    for key, values in wanted.extra.items():
        for value in values:
            yield Attributes("impersonate", "authentication.k8s.io", f"userextras/{key}", "", value)


def _service_account(name: str) -> tuple[str, str] | None:
    namespace, _, account = name.removeprefix(SERVICE_ACCOUNT_PREFIX).partition(":")
    return (namespace, account) if name.startswith(SERVICE_ACCOUNT_PREFIX) and account else None
