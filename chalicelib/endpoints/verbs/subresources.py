"""Subresources: a part of an object, such as its status, read and written; or something that acts on it.

Which a kind has, and with which verbs, its strategy says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from chalice.app import Response

from chalicelib.apimachinery.rules.status import method_not_allowed, unknown_path
from chalicelib.endpoints.http.bodies import Bodies
from chalicelib.endpoints.http.list_options import write_options
from chalicelib.endpoints.http.negotiation import negotiate
from chalicelib.endpoints.http.request_info import RequestInfo, User
from chalicelib.endpoints.http.responses import object_response, with_warnings
from chalicelib.registry.registry import Registry


class SubresourceEndpoint(Protocol):
    """What answers the requests to one subresource."""

    def answer(self, registry: Registry, info: RequestInfo, user: User) -> Response:
        """Return the answer. Raises StatusError."""
        ...


class PartEndpoint:
    """get, update and patch of one part of an object, which the registry finds by info.subresource."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies

    def answer(self, registry: Registry, info: RequestInfo, user: User) -> Response:
        """Return the whole object, as a real server does."""
        del user
        how = negotiate(info.headers.get("accept", ""), is_list=False, is_pretty=info.flag("pretty"))
        namespace, name = info.namespace if registry.strategy.namespaced else None, info.name
        if info.verb == "get":
            return object_response(registry, registry.get(namespace, name), 200, how)
        if info.verb == "update":
            options = write_options(info, "UpdateOptions")
            body = self._bodies.object(registry, info)
            written = registry.update(namespace, name, body.obj, options, subresource=info.subresource)
            warnings = body.warnings
        else:
            patch = self._bodies.patch(registry, info)
            options = write_options(info, "PatchOptions")
            written = registry.patch(namespace, name, patch.patch, options, subresource=info.subresource)
            warnings = patch.warnings
        response = object_response(registry, written.stored, 201 if written.created else 200, how)
        return with_warnings(response, warnings)


class Subresources:
    """Answers the requests to all subresources; those that act are given by the kind they take."""

    def __init__(self, bodies: Bodies, acting: Mapping[str, SubresourceEndpoint]) -> None:
        self._part = PartEndpoint(bodies)
        self._acting = acting

    def answer(self, registry: Registry, info: RequestInfo, user: User) -> Response:
        """Return the answer. Raises 404 for a subresource the kind does not have, 405 for its verbs."""
        found = registry.strategy.all_subresources.get(info.subresource)
        if found is None:
            raise unknown_path()
        if info.verb not in found.verbs:
            raise method_not_allowed()
        endpoint = self._part if found.part is not None else self._acting[found.kind]
        return endpoint.answer(registry, info, user)
