"""Subresources: status, binding, eviction, token and the like; what we don't serve is refused by name."""

from __future__ import annotations

from typing import Protocol

from chalice.app import Response

from chalicelib.apimachinery.rules.status import method_not_allowed, unknown_path
from chalicelib.endpoints.http.bodies import Bodies
from chalicelib.endpoints.http.list_options import write_options
from chalicelib.endpoints.http.negotiation import negotiate
from chalicelib.endpoints.http.request_info import RequestInfo, User
from chalicelib.endpoints.http.responses import object_response, with_warnings
from chalicelib.endpoints.verbs.scale import ScaleSubresource
from chalicelib.registry.registry import Registry


class Subresource(Protocol):
    """One subresource: which verbs it has and what they do."""

    verbs: tuple[str, ...]

    def answer(self, registry: Registry, info: RequestInfo, user: User) -> Response:
        """Return the answer. Raises StatusError."""
        ...


class PartSubresource:
    """get, update and patch of one part of an object alone.

    The part is status, a pod's ephemeralcontainers, or (update only) the spec.finalizers of a namespace.
    """

    def __init__(
        self, bodies: Bodies, name: str, verbs: tuple[str, ...] = ("get", "update", "patch")
    ) -> None:
        self._bodies = bodies
        self._name = name
        self.verbs = verbs

    def answer(self, registry: Registry, info: RequestInfo, user: User) -> Response:
        """Return the whole object, as a real server does."""
        del user
        how = negotiate(info.headers.get("accept", ""), is_list=False, is_pretty=info.flag("pretty"))
        namespace = info.namespace if registry.strategy.namespaced else None
        if info.verb == "get":
            return object_response(registry, registry.get(namespace, info.name), 200, how)
        if info.verb == "update":
            options = write_options(info, "UpdateOptions")
            body = self._bodies.object(registry, info)
            written = registry.update(namespace, info.name, body.obj, options, subresource=self._name)
            warnings = body.warnings
        else:
            patch = self._bodies.patch(registry, info)
            options = write_options(info, "PatchOptions")
            written = registry.patch(namespace, info.name, patch.patch, options, subresource=self._name)
            warnings = patch.warnings
        response = object_response(registry, written.stored, 201 if written.created else 200, how)
        return with_warnings(response, warnings)


class Subresources:
    """Finds the subresource of a request by (resource, subresource) and lets it answer."""

    def __init__(self, bodies: Bodies, others: dict[tuple[str, str], Subresource]) -> None:
        self._status = PartSubresource(bodies, "status")
        self._scale = ScaleSubresource(bodies)
        self._others = others

    def answer(self, registry: Registry, info: RequestInfo, user: User) -> Response:
        """Return the answer. Raises 404 for a subresource the kind does not have, 405 for its verbs."""
        found = self._find(registry, info)
        if found is None:
            raise unknown_path()
        if info.verb not in found.verbs:
            raise method_not_allowed()
        return found.answer(registry, info, user)

    def _find(self, registry: Registry, info: RequestInfo) -> Subresource | None:
        if info.subresource == "status":
            return self._status if registry.strategy.has_status else None
        if info.subresource == "scale":
            return self._scale if registry.strategy.scale else None
        return self._others.get((info.resource, info.subresource))
