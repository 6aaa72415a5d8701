"""Subresources: a part of an object, such as its status, read and written; or something that acts on it.

Which a kind has, and with which verbs, its strategy says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from chalice.app import Response

from chalicelib.apimachinery.rules.status import bad_request, method_not_allowed, unknown_path
from chalicelib.endpoints.http.parameters import Bodies, namespace_of, write_options
from chalicelib.endpoints.http.requests import RequestInfo
from chalicelib.endpoints.http.responses import object_response, representation, with_warnings
from chalicelib.registry.registry import Registry


class SubresourceEndpoint(Protocol):
    """What answers the requests to one subresource."""

    def answer(self, registry: Registry, info: RequestInfo) -> Response:
        """Return the answer. Raises StatusError."""
        ...


class Subresources:
    """Answers the requests to all subresources; those that act are given by the kind they take.

    The others are a part of the object, which the registry finds by info.subresource; the answer is the whole object.
    `refused` has a sentence for each that nothing here would act on: it can be read, and not written.
    """

    def __init__(
        self, bodies: Bodies, acting: Mapping[str, SubresourceEndpoint], refused: Mapping[str, str] | None = None
    ) -> None:
        self._bodies = bodies
        self._acting = acting
        self._refused = refused or {}

    def answer(self, registry: Registry, info: RequestInfo) -> Response:
        """Return the answer. Raises 404 for a subresource the kind does not have, 405 for its verbs, 400."""
        found = registry.strategy.all_subresources.get(info.subresource)
        if found is None:
            raise unknown_path()
        if info.verb not in found.verbs:
            raise method_not_allowed()
        if found.part is None:
            return self._acting[found.kind].answer(registry, info)
        how, namespace, name = representation(info), namespace_of(registry, info), info.name
        if info.verb == "get":
            return object_response(registry, registry.get(namespace, name), 200, how)
        if found.name in self._refused:
            registry.get(namespace, name)
            raise bad_request(self._refused[found.name])
        if info.verb == "update":
            options = write_options(info, "UpdateOptions")
            obj, warnings = self._bodies.object(registry, info)
            written = registry.update(namespace, name, obj, options, subresource=info.subresource)
        else:
            patch, warnings = self._bodies.patch(registry, info)
            options = write_options(info, "PatchOptions")
            written = registry.patch(namespace, name, patch, options, subresource=info.subresource)
        response = object_response(registry, written.stored, 201 if written.created else 200, how)
        return with_warnings(response, warnings)
