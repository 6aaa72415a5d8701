"""OpenAPI: /openapi/v2 and /openapi/v3 of the kinds we serve, from the published schema.

kubectl reads them for `apply` with validation and for `explain`. Reference: kubernetes.io/docs/concepts/overview/
kubernetes-api, "OpenAPI interface definition" (v1.36).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from chalice.app import Response

from chalicelib.apimachinery import schema
from chalicelib.apimachinery.decoding.openapi_protobuf import encode_openapi
from chalicelib.apimachinery.rules.status import unknown_path
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.docs.version import version_document
from chalicelib.endpoints.http.compression import bytes_response
from chalicelib.endpoints.http.negotiation import JSON_TYPES, parse_accept
from chalicelib.endpoints.http.request_info import RequestInfo
from chalicelib.endpoints.http.responses import dumps, respond
from chalicelib.registry.strategy import Strategy

# Old clients ask for it with a `@`, but no client can read an answer that is called so.
V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
V2_PREFIX, V3_PREFIX = "#/definitions/", "#/components/schemas/"
GVK = "x-kubernetes-group-version-kind"
ACTIONS = {"get": "get", "put": "put", "patch": "patch", "delete": "delete"}
COLLECTION_ACTIONS = {"get": "list", "post": "post", "delete": "deletecollection"}
PATCH_TYPES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
# What kubectl looks for in a patch operation before it dares to validate on the server.
WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")
PARAMETERS = {
    "get": (),
    "list": ("allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "watch"),
    "post": WRITE_PARAMETERS,
    "put": WRITE_PARAMETERS,
    "patch": (*WRITE_PARAMETERS, "force"),
    "delete": ("dryRun", "gracePeriodSeconds", "propagationPolicy"),
    "deletecollection": ("dryRun", "fieldSelector", "gracePeriodSeconds", "labelSelector"),
}


class OpenApi:
    """Answers with documents that are made at the first question and kept."""

    def __init__(self, strategies: Iterable[Strategy]) -> None:
        self._by_group: dict[tuple[str, str], list[Strategy]] = {}
        self._custom: dict[str, Any] = {}  # definitions of custom resources, by full name
        for strategy in strategies:
            self._by_group.setdefault((strategy.group, strategy.version), []).append(strategy)
            self._custom |= _custom_definition(strategy)
        self._texts: dict[tuple[str, str], str] = {}
        self._protobuf = b""  # of the whole v2 document
        self._lock = threading.Lock()

    def answer(self, info: RequestInfo) -> Response:
        """Return the document that a request asks for. Raises 404 for a group that is not served."""
        if info.verb == "openapi-v2":
            return self._v2_answer(info.headers)
        if info.verb == "openapi-v3":
            return respond({"paths": dict(self._index())})
        key = (info.group, info.version)
        if key not in self._by_group:
            raise unknown_path()
        body = self._group_text(key)
        headers: dict[str, str | list[str]] = {"Content-Type": "application/json"}
        return Response(body=body, status_code=200, headers=headers)

    def _v2_answer(self, headers: Mapping[str, str]) -> Response:
        """Return the document in JSON, or in protobuf where the client asks for that and for no JSON before it."""
        for name, _ in parse_accept(headers.get("accept", "")):
            if name in JSON_TYPES:
                break
            if name.replace("@", ".") == V2_PROTOBUF:
                with self._lock:
                    self._protobuf = self._protobuf or encode_openapi(self._v2())
                return bytes_response(self._protobuf, V2_PROTOBUF, headers)
        return respond(self._v2())

    def _index(self) -> Iterator[tuple[str, JSON]]:
        version = str(version_document()["gitVersion"])
        for group, each in self._by_group:
            path = f"apis/{group}/{each}" if group else f"api/{each}"
            mark = hashlib.sha256(f"{version}{path}".encode()).hexdigest().upper()
            yield path, {"serverRelativeURL": f"/openapi/v3/{path}?hash={mark}"}

    def _group_text(self, key: tuple[str, str]) -> str:
        with self._lock:
            if key not in self._texts:
                self._texts[key] = dumps(self._v3(key))
            return self._texts[key]

    def _v3(self, key: tuple[str, str]) -> JSON:
        definitions = {**schema.openapi_definitions(), **self._custom}
        names = _names_by_kind(definitions)
        strategies = self._by_group[key]
        roots = [names[_gvk(each)] for each in strategies if _gvk(each) in names]
        schemas = _closure(definitions, roots)
        paths: JSON = {}
        for strategy in strategies:
            paths.update(_paths(strategy, names.get(_gvk(strategy), ""), v3=True))
        return {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": version_document()["gitVersion"]},
            "paths": paths,
            "components": {"schemas": _moved(schemas)},
        }

    def _v2(self) -> JSON:
        definitions = {**schema.openapi_definitions(), **self._custom}
        names = _names_by_kind(definitions)
        paths: JSON = {}
        for strategies in self._by_group.values():
            for strategy in strategies:
                paths.update(_paths(strategy, names.get(_gvk(strategy), ""), v3=False))
        return {
            "swagger": "2.0",
            "info": {"title": "Kubernetes", "version": version_document()["gitVersion"]},
            "paths": paths,
            "definitions": definitions,
        }


def _custom_definition(strategy: Strategy) -> dict[str, Any]:
    """Return the definition of a custom resource under its full name, {} for a kind that is published."""
    if strategy.structural is None:
        return {}
    name = ".".join([*reversed(strategy.group.split(".")), strategy.version, strategy.kind])
    known = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"$ref": f"{V2_PREFIX}io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
    }
    properties = {**(strategy.structural.get("properties") or {}), **known}
    gvk = {"group": strategy.group, "version": strategy.version, "kind": strategy.kind}
    return {name: {**strategy.structural, "properties": properties, GVK: [gvk]}}


Gvk = tuple[str, str, str]


def _gvk(strategy: Strategy) -> Gvk:
    return (strategy.group, strategy.version, strategy.kind)


def _names_by_kind(definitions: dict[str, Any]) -> dict[Gvk, str]:
    found: dict[Gvk, str] = {}
    for name, definition in definitions.items():
        for each in definition.get(GVK) or ():
            found.setdefault((each.get("group", ""), each["version"], each["kind"]), name)
    return found


def _closure(definitions: dict[str, Any], roots: Sequence[str]) -> dict[str, Any]:
    """Return the definitions of the roots and of all that they refer to."""
    found: dict[str, Any] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found and name in definitions:
            found[name] = definitions[name]
            waiting += _references(definitions[name])
    return found


def _references(value: Any) -> list[str]:  # Any: a part of an OpenAPI document
    if isinstance(value, list):
        return [name for each in value for name in _references(each)]
    if not isinstance(value, dict):
        return []
    names = [name for each in value.values() for name in _references(each)]
    reference = value.get("$ref")
    return [*names, reference.removeprefix(V2_PREFIX)] if isinstance(reference, str) else names


def _moved(value: Any) -> Any:  # Any: a part of an OpenAPI document
    """Return a copy whose references point into an OpenAPI v3 document."""
    if isinstance(value, list):
        return [_moved(each) for each in value]
    if not isinstance(value, dict):
        return value
    copy = {key: _moved(each) for key, each in value.items()}
    if isinstance(copy.get("$ref"), str):
        copy["$ref"] = copy["$ref"].replace(V2_PREFIX, V3_PREFIX)
    return copy


def _paths(strategy: Strategy, schema_name: str, *, v3: bool) -> JSON:
    base = f"/apis/{strategy.group}/{strategy.version}" if strategy.group else f"/api/{strategy.version}"
    scope = "/namespaces/{namespace}" if strategy.namespaced else ""
    collection = f"{base}{scope}/{strategy.resource}"
    return {
        collection: _operations(strategy, schema_name, COLLECTION_ACTIONS, v3=v3),
        f"{collection}/{{name}}": _operations(strategy, schema_name, ACTIONS, v3=v3),
    }


def _operations(strategy: Strategy, schema_name: str, actions: dict[str, str], *, v3: bool) -> JSON:
    group, version, kind = _gvk(strategy)
    gvk = {"group": group, "version": version, "kind": kind}
    return {
        method: _operation(action, gvk, schema_name, v3=v3)
        for method, action in actions.items()
        if _verb(action) in strategy.verbs
    }


def _verb(action: str) -> str:
    return {"post": "create", "put": "update"}.get(action, action)


def _operation(action: str, gvk: JSON, schema_name: str, *, v3: bool) -> JSON:
    kind_of: JSON = {"schema": {"type": "string"}} if v3 else {"type": "string"}
    reference = (V3_PREFIX if v3 else V2_PREFIX) + schema_name
    parameters = [{"name": name, "in": "query", **kind_of} for name in PARAMETERS[action]]
    operation: JSON = {
        "operationId": f"{action}{gvk['kind']}{gvk['version'].capitalize()}{gvk['group'].split('.')[0].capitalize()}",
        "parameters": parameters,
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        GVK: gvk,
    }
    if not schema_name or action not in ("post", "put", "patch"):
        return operation
    content: JSON = {"schema": {"$ref": reference}}
    if not v3:
        operation["parameters"] = [*parameters, {"name": "body", "in": "body", "required": True, **content}]
    elif action == "patch":
        operation["requestBody"] = {"content": {name: {"schema": {"type": "object"}} for name in PATCH_TYPES}}
    else:
        operation["requestBody"] = {"content": {"*/*": content}}
    return operation
