"""The verbs on whole objects and collections: body and options in, Registry, representation out."""

from __future__ import annotations

from typing import Any

from chalice.app import Response

from chalicelib.apimachinery.status import JSON
from chalicelib.endpoints.bodies import Bodies
from chalicelib.endpoints.list_options import delete_options, list_options, write_options
from chalicelib.endpoints.negotiation import Representation, negotiate
from chalicelib.endpoints.representation import Shaper
from chalicelib.endpoints.request_info import RequestInfo, User
from chalicelib.endpoints.responses import list_text, object_response, respond, success_status, with_warnings
from chalicelib.registry.deletion import with_propagation
from chalicelib.registry.listing import Listed
from chalicelib.registry.options import DeleteOptions, Written
from chalicelib.registry.registry import Registry

MAX_ANSWER_BYTES = 5_500_000  # a Lambda answer may have 6 MB; the rest is for the envelope


def _representation(info: RequestInfo, *, is_list: bool) -> Representation:
    accept = info.headers.get("accept", "")
    return negotiate(accept, is_list=is_list, is_pretty=info.flag("pretty"))


def _namespace(registry: Registry, info: RequestInfo) -> str | None:
    return (info.namespace or None) if registry.strategy.namespaced else None


class ResourceVerbs:
    """Answers get, list, create, update, patch, delete and deletecollection."""

    def __init__(self, bodies: Bodies, shaper: Shaper) -> None:
        self._bodies = bodies
        self._shaper = shaper

    def answer(self, registry: Registry, info: RequestInfo, user: User) -> Response:
        """Return the answer to one request on `registry`. Raises StatusError."""
        del user
        verb = getattr(self, f"_{info.verb}")
        response: Response = verb(registry, info)
        deprecation = registry.strategy.deprecation
        return with_warnings(response, [deprecation]) if deprecation else response

    def _get(self, registry: Registry, info: RequestInfo) -> Response:
        how = _representation(info, is_list=False)
        version = info.first("resourceVersion")
        stored = registry.get(_namespace(registry, info), info.name, resource_version=version)
        if how.shape == "object":
            return object_response(registry, stored, 200, how)
        return respond(self._shaper.one(registry, stored, how, info), representation=how)

    def _list(self, registry: Registry, info: RequestInfo) -> Response:
        how = _representation(info, is_list=True)
        listed = registry.list_page(_namespace(registry, info), list_options(info, registry.strategy))
        return self._listed(registry, info, listed, how)

    def _deletecollection(self, registry: Registry, info: RequestInfo) -> Response:
        how = _representation(info, is_list=True)
        options, warnings = self._delete_options(registry, info)
        selected = list_options(info, registry.strategy)
        listed = registry.delete_collection(_namespace(registry, info), selected, options)
        return with_warnings(self._listed(registry, info, listed, how), warnings)

    def _delete_options(self, registry: Registry, info: RequestInfo) -> tuple[DeleteOptions, list[str]]:
        options = delete_options(info, self._bodies.delete_options(info))
        return with_propagation(registry.strategy, options)

    def _listed(self, registry: Registry, info: RequestInfo, listed: Listed, how: Representation) -> Response:
        metadata: JSON = {"resourceVersion": str(listed.revision)}
        if listed.continue_token:
            metadata["continue"] = listed.continue_token
            if listed.remaining is not None:
                metadata["remainingItemCount"] = listed.remaining
        if how.shape == "object" and not how.is_yaml and not how.is_pretty:
            body = list_text(registry, metadata, listed.items)
            return Response(body=body, status_code=200, headers={"Content-Type": "application/json"})
        return respond(self._shaper.many(registry, metadata, listed.items, how, info), representation=how)

    def _create(self, registry: Registry, info: RequestInfo) -> Response:
        how = _representation(info, is_list=False)
        options = write_options(info, "CreateOptions")
        body = self._bodies.object(registry, info)
        written = registry.create(_namespace(registry, info), body.obj, options)
        return self._written(registry, info, written, how, body.warnings, code=201)

    def _update(self, registry: Registry, info: RequestInfo) -> Response:
        how = _representation(info, is_list=False)
        options = write_options(info, "UpdateOptions")
        body = self._bodies.object(registry, info)
        written = registry.update(_namespace(registry, info), info.name, body.obj, options)
        return self._written(registry, info, written, how, body.warnings)

    def _patch(self, registry: Registry, info: RequestInfo) -> Response:
        how = _representation(info, is_list=False)
        patch = self._bodies.patch(registry, info)
        options = write_options(info, "PatchOptions")
        written = registry.patch(_namespace(registry, info), info.name, patch.patch, options)
        return self._written(registry, info, written, how, patch.warnings)

    def _delete(self, registry: Registry, info: RequestInfo) -> Response:
        how = _representation(info, is_list=False)
        options, warnings = self._delete_options(registry, info)
        written = registry.delete(_namespace(registry, info), info.name, options)
        if written.removed and not registry.strategy.returns_deleted:
            uid = written.stored.object()["metadata"].get("uid")
            details = {
                "name": info.name,
                "group": registry.strategy.group,
                "kind": registry.strategy.resource,
                "uid": uid,
            }
            return with_warnings(respond(success_status(details), representation=how), warnings)
        return self._written(registry, info, written, how, warnings)

    def _written(
        self,
        registry: Registry,
        info: RequestInfo,
        written: Written,
        how: Representation,
        warnings: list[str],
        *,
        code: int = 200,
    ) -> Response:
        code = 201 if written.created else code
        if how.shape == "object":
            response = object_response(registry, written.stored, code, how)
        else:
            shaped: Any = self._shaper.one(registry, written.stored, how, info)
            response = respond(shaped, code=code, representation=how)
        return with_warnings(response, [*warnings, *written.warnings])
