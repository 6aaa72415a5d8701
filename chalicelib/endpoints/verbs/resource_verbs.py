"""The verbs on whole objects and collections: body and options in, Registry, representation out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chalice.app import Response

from chalicelib.apimachinery.rules.status import answer_too_large
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.auth.escalation import check_grant
from chalicelib.endpoints.auth.rbac import Rbac, attributes, refusal
from chalicelib.endpoints.http.parameters import Bodies, delete_options, list_options, namespace_of, write_options
from chalicelib.endpoints.http.representation import Shaper
from chalicelib.endpoints.http.requests import RequestInfo
from chalicelib.endpoints.http.responses import (
    Representation,
    dumps,
    fitted,
    list_text,
    object_response,
    representation,
    respond,
    success_status,
    with_warnings,
)
from chalicelib.endpoints.verbs.polled_watch import is_spark_listing_executors
from chalicelib.registry.deletion import with_propagation
from chalicelib.registry.listing import Listed
from chalicelib.registry.options import DeleteOptions, WriteOptions, Written
from chalicelib.registry.registry import Registry
from chalicelib.resources.access.rbac import RBAC_GROUP
from chalicelib.resources.pods.brief import brief
from chalicelib.storage.keys import parse_key

MAX_ANSWER_BYTES = 6_200_000  # a Lambda answer may have 6 MiB; the rest is for the envelope
PAGE_MARGIN = 0.8  # objects differ in size: the next try takes so much of what the last one's average allows


LEAN = "metadata.managedFields is left out, so that the list fits into one answer: ask with a limit, or accept gzip"
BRIEF = "of each pod's spec only what Spark's driver reads is told, so that the list fits into one answer"


class ResourceVerbs:
    """Answers get, list, create, update, patch, delete and deletecollection.

    `max_list_bytes` bounds the answer to a list, None does not: a page becomes shorter, a whole list is refused.
    """

    def __init__(self, bodies: Bodies, shaper: Shaper, rbac: Rbac, *, max_list_bytes: int | None = None) -> None:
        self._bodies = bodies
        self._rbac = rbac
        self._shaper = shaper
        self._max_list_bytes = max_list_bytes

    def answer(self, registry: Registry, info: RequestInfo) -> Response:
        """Return the answer to one request on `registry`. Raises StatusError."""
        verb = getattr(self, f"_{info.verb}")
        response: Response = verb(registry, info)
        deprecation = registry.strategy.deprecation
        return with_warnings(response, [deprecation]) if deprecation else response

    def _write_options(self, registry: Registry, info: RequestInfo, kind: str) -> WriteOptions:
        def permit_create() -> None:
            creating = replace(info, verb="create")
            owner = self._rbac.authorize(info.user, creating)
            if owner and owner != registry.scope.owner:
                raise refusal(info.user, attributes(creating))

        options = replace(write_options(info, kind), permit_create=permit_create)
        if registry.strategy.group != RBAC_GROUP:
            return options
        return replace(options, permit=lambda obj, old: check_grant(self._rbac, info, obj, old))

    def _get(self, registry: Registry, info: RequestInfo) -> Response:
        how = representation(info)
        version = info.first("resourceVersion")
        stored = registry.get(namespace_of(registry, info), info.name, resource_version=version)
        if how.shape == "object":
            return object_response(registry, stored, 200, how)
        return respond(self._shaper.one(registry, stored, how, info), representation=how)

    def _list(self, registry: Registry, info: RequestInfo) -> Response:
        how = representation(info, is_list=True)
        namespace, options = namespace_of(registry, info), list_options(info, registry.strategy)
        while True:  # each page is shorter than the one before, down to one object
            listed = registry.list_page(namespace, options)
            response = self._listed(registry, info, listed, how)
            if self._max_list_bytes is None:
                return response
            response, size = fitted(response, info.headers, max_bytes=self._max_list_bytes)
            if size <= self._max_list_bytes:
                return response
            if not options.limit:
                return self._lean_list(registry, info, listed, how, self._max_list_bytes)
            if len(listed.items) <= 1:
                raise answer_too_large(self._max_list_bytes)
            fitting = int(len(listed.items) * self._max_list_bytes / size * PAGE_MARGIN)
            options = replace(options, limit=max(1, fitting))

    def _lean_list(
        self, registry: Registry, info: RequestInfo, listed: Listed, how: Representation, max_bytes: int
    ) -> Response:
        """Return a whole list of shorter objects: Spark 4 takes neither pages nor gzip, and polls."""
        is_sparks = registry.strategy.resource == "pods" and is_spark_listing_executors(info)
        items = []
        for item in listed.items:
            obj = item.object()
            if is_sparks:
                obj = brief(obj)
            else:
                obj["metadata"].pop("managedFields", None)  # two fifths of an executor
            items.append(replace(item, json=dumps(obj)))
        lean = replace(listed, items=items)
        response, size = fitted(self._listed(registry, info, lean, how), info.headers, max_bytes=max_bytes)
        if size > max_bytes:
            raise answer_too_large(max_bytes)
        return with_warnings(response, [BRIEF if is_sparks else LEAN])

    def _deletecollection(self, registry: Registry, info: RequestInfo) -> Response:
        how = representation(info, is_list=True)
        options, warnings = self._delete_options(registry, info)
        selected = list_options(info, registry.strategy)
        listed = registry.delete_collection(namespace_of(registry, info), selected, options)
        info.notes["names"] = ",".join(parse_key(item.key)[2] for item in listed.items)
        response = self._listed(registry, info, listed, how)
        if self._max_list_bytes is not None:
            response, size = fitted(response, info.headers, max_bytes=self._max_list_bytes)
            if size > self._max_list_bytes:
                details = {"group": registry.strategy.group, "kind": registry.strategy.resource}
                # they are deleted, seen or not
                response = respond(success_status(details), representation=how)
        return with_warnings(response, warnings)

    def _delete_options(self, registry: Registry, info: RequestInfo) -> tuple[DeleteOptions, list[str]]:
        options = delete_options(info, self._bodies.delete_options(info))
        return with_propagation(registry.strategy, options)

    def _listed(self, registry: Registry, info: RequestInfo, listed: Listed, how: Representation) -> Response:
        metadata: JSON = {"resourceVersion": str(listed.revision)}
        if listed.continue_token:
            metadata["continue"] = listed.continue_token
            if listed.remaining is not None:
                metadata["remainingItemCount"] = listed.remaining
        if how.shape in ("object", "Table") and not how.is_yaml and not how.is_pretty:
            if how.shape == "Table":
                body = self._shaper.table_text(registry, metadata, listed.items, how, info)
            else:
                body = list_text(registry, metadata, listed.items)
            return Response(body=body, status_code=200, headers={"Content-Type": "application/json"})
        return respond(self._shaper.many(registry, metadata, listed.items, how, info), representation=how)

    def _create(self, registry: Registry, info: RequestInfo) -> Response:
        how = representation(info)
        options = self._write_options(registry, info, "CreateOptions")
        obj, warnings = self._bodies.object(registry, info)
        written = registry.create(namespace_of(registry, info), obj, options)
        return self._written(registry, info, written, how, warnings, code=201)

    def _update(self, registry: Registry, info: RequestInfo) -> Response:
        how = representation(info)
        options = self._write_options(registry, info, "UpdateOptions")
        obj, warnings = self._bodies.object(registry, info)
        written = registry.update(namespace_of(registry, info), info.name, obj, options)
        return self._written(registry, info, written, how, warnings)

    def _patch(self, registry: Registry, info: RequestInfo) -> Response:
        how = representation(info)
        patch, warnings = self._bodies.patch(registry, info)
        options = self._write_options(registry, info, "PatchOptions")
        written = registry.patch(namespace_of(registry, info), info.name, patch, options)
        return self._written(registry, info, written, how, warnings)

    def _delete(self, registry: Registry, info: RequestInfo) -> Response:
        how = representation(info)
        options, warnings = self._delete_options(registry, info)
        written = registry.delete(namespace_of(registry, info), info.name, options)
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
        info.notes["name"] = parse_key(written.stored.key)[2]  # a generated one too
        if how.shape == "object":
            response = object_response(registry, written.stored, code, how)
        else:
            shaped: Any = self._shaper.one(registry, written.stored, how, info)
            response = respond(shaped, code=code, representation=how)
        return with_warnings(response, [*warnings, *written.warnings])
