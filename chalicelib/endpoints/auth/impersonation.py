"""Impersonation: acting as another user (`kubectl --as`), where RBAC allows it.

Reference: kubernetes.io/docs/reference/access-authn-authz/authentication, "User impersonation" (v1.36). Never ignored:
a request that asks to be less than its caller must not be answered with the caller's rights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from chalicelib.apimachinery.rules.status import bad_request
from chalicelib.endpoints.auth.authentication import AUTHENTICATED
from chalicelib.endpoints.auth.rbac import SERVICE_ACCOUNT_PREFIX, Attributes, Rbac, refusal
from chalicelib.endpoints.http.request_info import User

PREFIX = "impersonate-"
USER, GROUP, UID, EXTRA = "impersonate-user", "impersonate-group", "impersonate-uid", "impersonate-extra-"
ANONYMOUS = "system:anonymous"


def acting_user(caller: User, headers: Mapping[str, str], rbac: Rbac) -> User:
    """Return the user that a request acts as: its caller, or the one its headers name. Raises 400, 403.

    A header given several times has its values joined by commas.
    """
    if not any(name.startswith(PREFIX) for name in headers):
        return caller
    name = headers.get(USER, "")
    if not name:
        raise bad_request("requested impersonation without a user: Impersonate-User must be set")
    groups = tuple(each.strip() for each in headers.get(GROUP, "").split(",") if each.strip())
    uid = headers.get(UID, "")
    extra = {
        unquote(key.removeprefix(EXTRA)): tuple(each.strip() for each in value.split(","))
        for key, value in headers.items()
        if key.startswith(EXTRA)
    }
    for asked in _asked(name, groups, uid, extra):
        if not rbac.allows(caller, asked):
            raise refusal(caller, asked)
    account = _service_account(name)
    if account and not groups:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{account[0]}")
    if name != ANONYMOUS and AUTHENTICATED not in groups and "system:unauthenticated" not in groups:
        groups = (*groups, AUTHENTICATED)
    return User(name, groups, uid, extra)


def _asked(
    name: str, groups: tuple[str, ...], uid: str, extra: Mapping[str, tuple[str, ...]]
) -> Iterator[Attributes]:
    """Yield what the caller must be allowed to do, one after the other."""
    account = _service_account(name)
    if account:
        yield Attributes("impersonate", "", "serviceaccounts", account[0], account[1])
    else:
        yield Attributes("impersonate", "", "users", "", name)
    for group in groups:
        yield Attributes("impersonate", "", "groups", "", group)
    if uid:
        yield Attributes("impersonate", "authentication.k8s.io", "uids", "", uid)
    for key, values in extra.items():
        for value in values:
            yield Attributes("impersonate", "authentication.k8s.io", f"userextras/{key}", "", value)


def _service_account(name: str) -> tuple[str, str] | None:
    namespace, _, account = name.removeprefix(SERVICE_ACCOUNT_PREFIX).partition(":")
    return (namespace, account) if name.startswith(SERVICE_ACCOUNT_PREFIX) and account else None
