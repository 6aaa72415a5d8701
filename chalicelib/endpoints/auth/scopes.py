"""Scopes: what one request may do, decided from its caller: everything its verb and resource say, or less."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.budget import max_usd
from chalicelib.controllers.podmodel.family import heads_of
from chalicelib.endpoints.auth.audit import WRITES
from chalicelib.endpoints.auth.budget_scope import BudgetScope
from chalicelib.endpoints.auth.owned_scope import OwnedScope
from chalicelib.endpoints.auth.rbac import Rbac, attributes, refusal
from chalicelib.endpoints.auth.reviews import AUTHENTICATION, AUTHORIZATION
from chalicelib.endpoints.http.requests import RequestInfo, User
from chalicelib.registry.options import DeleteOptions
from chalicelib.registry.parts import EVERYTHING, Scope
from chalicelib.storage.base import Storage, StoredObject


class Scopes:
    """Authorizes requests. Safe to call from many threads."""

    def __init__(self, storage: Storage, rbac: Rbac) -> None:
        self._storage = storage
        self._rbac = rbac

    def authorize(self, caller: User, info: RequestInfo, *, asks_for: RequestInfo) -> Scope:
        """Return the scope in which `info.user` may do what the request asks for. Raises 403.

        The caller is the one who has the token, also where the request acts as another user.
        """

        def refuse(why: str) -> StatusError:
            error = refusal(info.user, attributes(asks_for))
            error.message = f"{error.message}: {why}"
            return error

        owner = self._rbac.authorize(info.user, asks_for)
        heads = self._limited(caller) if info.verb in WRITES else []
        if heads and (info.resource, info.subresource) == ("serviceaccounts", "token"):
            raise refuse("a job with a spending limit gets no further tokens")
        scopes: list[Scope] = []
        if owner:
            if not info.is_resource or info.group in (AUTHENTICATION, AUTHORIZATION):
                raise refuse("it is nothing that a pod owns")
            owned = OwnedScope(owner, info, storage=self._storage, rbac=self._rbac, refuse=refuse)
            scopes.append(owned)
        if heads:
            scopes.append(BudgetScope(heads, storage=self._storage, refuse=refuse))
        return AllOf(scopes) if len(scopes) > 1 else scopes[0] if scopes else EVERYTHING

    def _limited(self, caller: User) -> list[JSON]:
        """Return the pods with a spending limit that the caller's pod counts for."""
        pod = caller.pod()
        if pod is None:
            return []
        return [each for each in (pod, *heads_of(self._storage, pod)) if max_usd(each) is not None]


class AllOf:
    """Several scopes at once."""

    def __init__(self, scopes: Sequence[Scope]) -> None:
        self._scopes = scopes
        self.owner = next((each.owner for each in scopes if each.owner), "")

    def sees(self, metadata: JSON) -> bool:
        """Return whether all see it."""
        return all(each.sees(metadata) for each in self._scopes)

    def check_read(self, stored: StoredObject) -> None:
        """Ask each, as the other checks."""
        for each in self._scopes:
            each.check_read(stored)

    def check_new(self, resource: str, obj: JSON) -> None:
        """Ask each."""
        for each in self._scopes:
            each.check_new(resource, obj)

    def check_write(self, resource: str, obj: JSON) -> None:
        """Ask each."""
        for each in self._scopes:
            each.check_write(resource, obj)

    def check_change(self, resource: str, old: JSON, new: JSON) -> None:
        """Ask each."""
        for each in self._scopes:
            each.check_change(resource, old, new)

    def check_delete(self, resource: str, obj: JSON, options: DeleteOptions) -> None:
        """Ask each."""
        for each in self._scopes:
            each.check_delete(resource, obj, options)
