"""Scopes: what one request may do, decided from its caller: everything its verb and resource say, or less."""

from __future__ import annotations

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.endpoints.auth.owned_scope import OwnedScope
from chalicelib.endpoints.auth.rbac import Rbac, attributes, refusal
from chalicelib.endpoints.auth.review_kinds import AUTHENTICATION, AUTHORIZATION
from chalicelib.endpoints.http.request_info import RequestInfo
from chalicelib.registry.scope import EVERYTHING, Scope
from chalicelib.storage.base import Storage


class Scopes:
    """Authorizes requests. Safe to call from many threads."""

    def __init__(self, storage: Storage, rbac: Rbac) -> None:
        self._storage = storage
        self._rbac = rbac

    def authorize(self, info: RequestInfo, *, asks_for: RequestInfo) -> Scope:
        """Return the scope in which `info.user` may do what the request asks for. Raises 403."""

        def refuse(why: str) -> StatusError:
            error = refusal(info.user, attributes(asks_for))
            error.message = f"{error.message}: {why}"
            return error

        owner = self._rbac.authorize(info.user, asks_for)
        if not owner:
            return EVERYTHING
        if not info.is_resource or info.group in (AUTHENTICATION, AUTHORIZATION):
            raise refuse("it is nothing that a pod owns")
        return OwnedScope(owner, info.namespace, storage=self._storage, rbac=self._rbac, refuse=refuse)
