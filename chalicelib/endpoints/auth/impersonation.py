"""Impersonation: acting as another user (`kubectl --as`), where RBAC allows it.

Reference: kubernetes.io/docs/reference/access-authn-authz/authentication, "User impersonation" (v1.36). Never ignored:
a request that asks to be less than its caller must not be answered with the caller's rights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import unquote

from chalicelib.apimachinery.rules.status import bad_request
from chalicelib.endpoints.auth.authentication import AUTHENTICATED
from chalicelib.endpoints.auth.rbac import SERVICE_ACCOUNT_PREFIX, Attributes, Rbac, refusal
from chalicelib.endpoints.http.requests import User

PREFIX = "impersonate-"
USER, GROUP, UID, EXTRA = "impersonate-user", "impersonate-group", "impersonate-uid", "impersonate-extra-"
ANONYMOUS = "system:anonymous"


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
    if wanted.name != ANONYMOUS and AUTHENTICATED not in groups and "system:unauthenticated" not in groups:
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
