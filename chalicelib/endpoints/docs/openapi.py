"""OpenAPI: /openapi/v2 and /openapi/v3 of the kinds we serve, from the published schema.

kubectl reads them for `apply` with validation and for `explain`. Reference: kubernetes.io/docs/concepts/overview/
kubernetes-api, "OpenAPI interface definition" (v1.36).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chalice.app import Response

from chalicelib.apimachinery import schema
from chalicelib.apimachinery.decoding.openapi_protobuf import encode_openapi
from chalicelib.apimachinery.rules.status import unknown_path
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.docs.discovery import version_document
from chalicelib.endpoints.http.requests import RequestInfo
from chalicelib.endpoints.http.responses import JSON_TYPES, bytes_response, dumps, parse_accept, respond
from chalicelib.registry.strategy import Strategy

# Old clients ask for it with a `@`, but no client can read an answer of that name.
V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
V2_PREFIX, V3_PREFIX = "#/definitions/", "#/components/schemas/"
GVK = "x-kubernetes-group-version-kind"
CUSTOM_PROPERTIES = {  # of every custom resource, whatever its schema says of them
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": {"$ref": f"{V2_PREFIX}io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
}
OBJECT_ACTIONS = {"get": "get", "put": "put", "patch": "patch", "delete": "delete"}
COLLECTION_ACTIONS = {"get": "list", "post": "post", "delete": "deletecollection"}
VERBS = {"post": "create", "put": "update"}  # of actions that are not called as their verb
PATCH_TYPES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
# What kubectl looks for in a patch operation before it lets the server validate.
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
            if strategy.structural is not None:
                name = ".".join([*reversed(strategy.group.split(".")), strategy.version, strategy.kind])
                properties = {**(strategy.structural.get("properties") or {}), **CUSTOM_PROPERTIES}
                gvk = dict(zip(("group", "version", "kind"), _gvk(strategy), strict=True))
                self._custom[name] = {**strategy.structural, "properties": properties, GVK: [gvk]}
        self._texts: dict[tuple[str, str], str] = {}
        self._protobuf = b""  # of the whole v2 document
        self._lock = threading.Lock()

    def answer(self, info: RequestInfo) -> Response:
        """Return the document that a request asks for. Raises 404 for a group that is not served."""
        if info.verb == "openapi-v2":
            # in JSON, or in protobuf where the client asks for that and for no JSON before it
            for name, _ in parse_accept(info.headers.get("accept", "")):
                if name in JSON_TYPES:
                    break
                if name.replace("@", ".") == V2_PROTOBUF:
                    with self._lock:
                        self._protobuf = self._protobuf or encode_openapi(self._v2())
                    return bytes_response(self._protobuf, V2_PROTOBUF, info.headers)
            return respond(self._v2())
        if info.verb == "openapi-v3":
            version = str(version_document()["gitVersion"])
            paths = [f"apis/{group}/{each}" if group else f"api/{each}" for group, each in self._by_group]
            hashes = {path: hashlib.sha256(f"{version}{path}".encode()).hexdigest().upper() for path in paths}
            urls = {path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={hashes[path]}"} for path in paths}
            return respond({"paths": urls})
        key = (info.group, info.version)
        if key not in self._by_group:
            raise unknown_path()
        with self._lock:
            if key not in self._texts:
                self._texts[key] = dumps(self._v3(self._by_group[key]))
        return Response(body=self._texts[key], status_code=200, headers={"Content-Type": "application/json"})

    def _v3(self, strategies: Sequence[Strategy]) -> JSON:
        definitions = {**schema.openapi_definitions(), **self._custom}
        names = _names_by_kind(definitions)
        schemas: dict[str, Any] = {}
        waiting = [names[_gvk(each)] for each in strategies if _gvk(each) in names]
        while waiting:  # the kinds' own schemas, and all that they refer to
            name = waiting.pop()
            if name not in schemas and name in definitions:
                schemas[name] = definitions[name]
                waiting += _references(definitions[name])
        return {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": version_document()["gitVersion"]},
            "paths": _paths(strategies, names, v3=True),
            "components": {"schemas": _moved(schemas)},
        }

    def _v2(self) -> JSON:
        definitions = {**schema.openapi_definitions(), **self._custom}
        strategies = [each for group in self._by_group.values() for each in group]
        return {
            "swagger": "2.0",
            "info": {"title": "Kubernetes", "version": version_document()["gitVersion"]},
            "paths": _paths(strategies, _names_by_kind(definitions), v3=False),
            "definitions": definitions,
        }


Gvk = tuple[str, str, str]


def _gvk(strategy: Strategy) -> Gvk:
    return (strategy.group, strategy.version, strategy.kind)


def _names_by_kind(definitions: dict[str, Any]) -> dict[Gvk, str]:
    found: dict[Gvk, str] = {}
    for name, definition in definitions.items():
        for each in definition.get(GVK) or ():
            found.setdefault((each.get("group", ""), each["version"], each["kind"]), name)
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


def _paths(strategies: Iterable[Strategy], names: Mapping[Gvk, str], *, v3: bool) -> JSON:
    paths: JSON = {}
    for strategy in strategies:
        base = f"/apis/{strategy.group}/{strategy.version}" if strategy.group else f"/api/{strategy.version}"
        collection = f"{base}/{strategy.resource}"
        scopes = [(collection, COLLECTION_ACTIONS), (f"{collection}/{{name}}", OBJECT_ACTIONS)]
        if strategy.namespaced:
            inside = f"{base}/namespaces/{{namespace}}/{strategy.resource}"
            scopes = [(inside, COLLECTION_ACTIONS), (f"{inside}/{{name}}", OBJECT_ACTIONS)]
            scopes += [(collection, {"get": "list"})]  # of all namespaces; `kubectl explain` 1.27 looks here
        for path, actions in scopes:
            paths[path] = {
                method: _operation(action, _gvk(strategy), names.get(_gvk(strategy), ""), v3=v3)
                for method, action in actions.items()
                if VERBS.get(action, action) in strategy.verbs
            }
    return paths


def _operation(action: str, gvk: Gvk, schema_name: str, *, v3: bool) -> JSON:
    group, version, kind = gvk
    kind_of: JSON = {"schema": {"type": "string"}} if v3 else {"type": "string"}
    parameters = [{"name": name, "in": "query", **kind_of} for name in PARAMETERS[action]]
    operation: JSON = {
        "operationId": f"{action}{kind}{version.capitalize()}{group.split('.')[0].capitalize()}",
        "parameters": parameters,
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        GVK: {"group": group, "version": version, "kind": kind},
    }
    if not schema_name or action not in ("post", "put", "patch"):
        return operation
    content: JSON = {"schema": {"$ref": (V3_PREFIX if v3 else V2_PREFIX) + schema_name}}
    if not v3:
        operation["parameters"] = [*parameters, {"name": "body", "in": "body", "required": True, **content}]
    elif action == "patch":
        operation["requestBody"] = {"content": {name: {"schema": {"type": "object"}} for name in PATCH_TYPES}}
    else:
        operation["requestBody"] = {"content": {"*/*": content}}
    return operation
