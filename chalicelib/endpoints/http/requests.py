"""THE TABLE: which method on which path is which verb; and RequestInfo, made once of a request that a row matches.

Chalice (and API Gateway behind it) gets one resource per depth with all methods, so that every request
reaches our own table and an unknown path gets a Kubernetes answer. Paths follow
k8s.io/apiserver/pkg/endpoints/request/requestinfo.go and installer.go (v1.36).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import unquote

from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import StoredObject
from chalicelib.storage.keys import parse_key

STREAM_PATH = "stream"  # in front of a path, for the function that streams
MAX_DEPTH = 9  # /apis/GROUP/VERSION/namespaces/NS/RESOURCE/NAME/SUBRESOURCE is 8, and one to answer 404
STAGE, SEND, FETCH = "stage-file", "send-file", "fetch-file"  # of the files that jobs bring along
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


class Route(NamedTuple):
    """A row: `verb` names the action; `path` has variables in braces."""

    method: str
    path: str
    verb: str


class Match(NamedTuple):
    """A row and the values of its path's variables."""

    route: Route
    values: dict[str, str]


def _resource_rows(base: str) -> list[Route]:
    """Return the rows of the resources under one base path, cluster-scoped and namespaced."""
    rows = []
    for scope in ("", "/namespaces/{namespace}"):
        collection = f"{base}{scope}/{{resource}}"
        one = f"{collection}/{{name}}"
        rows += [
            Route("GET", collection, "list"),
            Route("POST", collection, "create"),
            Route("DELETE", collection, "deletecollection"),
            Route("GET", one, "get"),
            Route("PUT", one, "update"),
            Route("PATCH", one, "patch"),
            Route("DELETE", one, "delete"),
            Route("GET", f"{one}/{{subresource}}", "get"),
            Route("HEAD", f"{one}/{{subresource}}", "get"),
            Route("POST", f"{one}/{{subresource}}", "create"),
            Route("PUT", f"{one}/{{subresource}}", "update"),
            Route("PATCH", f"{one}/{{subresource}}", "patch"),
            Route("DELETE", f"{one}/{{subresource}}", "delete"),
        ]
    return rows


ROUTES: tuple[Route, ...] = (
    Route("GET", "/", "paths"),
    Route("GET", "/version", "version"),
    *(
        Route(method, f"/{kind}{check}", "health")
        for kind in ("healthz", "livez", "readyz")
        for check in ("", "/{name}")
        for method in ("GET", "HEAD")
    ),
    Route("GET", "/sparkanywhere/v1/tasks/{uid}/payload", "payload"),
    Route("GET", "/sparkanywhere/v1/tasks/{uid}/wait", "wait"),
    Route("POST", "/sparkanywhere/v1/namespaces/{namespace}/files", STAGE),
    Route("PUT", "/sparkanywhere/v1/namespaces/{namespace}/files/{name}", SEND),
    Route("GET", "/sparkanywhere/v1/namespaces/{namespace}/files/{name}", FETCH),
    Route("GET", "/openapi/v2", "openapi-v2"),
    Route("GET", "/openapi/v3", "openapi-v3"),
    Route("GET", "/openapi/v3/api/{version}", "openapi-v3-group"),
    Route("GET", "/openapi/v3/apis/{group}/{version}", "openapi-v3-group"),
    Route("GET", "/api", "api-versions"),
    Route("GET", "/apis", "api-groups"),
    Route("GET", "/apis/{group}", "api-group"),
    Route("GET", "/api/{version}", "api-resources"),
    Route("GET", "/apis/{group}/{version}", "api-resources"),
    *_resource_rows("/api/{version}"),
    *_resource_rows("/apis/{group}/{version}"),
)

# What a request asks of a pod through its or a Service's `proxy`: what stands behind that in the URL, as it was sent. A
# server of ours takes it off, since routes have a depth.
PROXIED: ContextVar[str] = ContextVar("PROXIED", default="")
# The path before it, as the client sees it: none on a host of the pod's own; None where it is the API's.
PROXIED_AT: ContextVar[str | None] = ContextVar("PROXIED_AT", default=None)

# In these the part after the name is a subresource of the namespace, not a resource inside it.
NAMESPACE_SUBRESOURCES = ("status", "finalize")
ROWS = "/"  # no part of a path has a slash


class Router:
    """Finds the row of a request; literal parts win over variables."""

    def __init__(self, routes: tuple[Route, ...] = ROUTES) -> None:
        self._root: dict[str, Any] = {}  # a tree of path parts; the rows, by method, under ROWS
        for route in routes:
            node = self._root
            for part in _parts(route.path):
                node = node.setdefault("{}" if part.startswith("{") else part, {})
            node.setdefault(ROWS, {})[route.method] = route

    def find(self, method: str, path: list[str]) -> Match | str:
        """Return the row that serves the request, or why there is none: "path" or "method"."""
        if len(path) == 5 and path[2] == "namespaces" and path[4] in NAMESPACE_SUBRESOURCES:
            node: dict[str, Any] | None = self._root["api"]["{}"]["{}"]["{}"]["{}"]
        else:
            node = _descend(self._root, path)
        if node is None:
            return "path"
        route = node[ROWS].get(method)
        if route is None:
            return "method"
        pairs = zip(_parts(route.path), path, strict=True)
        values = {name[1:-1]: value for name, value in pairs if name.startswith("{")}
        return Match(route, values)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _descend(node: dict[str, Any], path: list[str]) -> dict[str, Any] | None:
    if not path:
        return node if ROWS in node else None
    for key in (path[0], "{}"):
        below = node.get(key)
        found = _descend(below, path[1:]) if below is not None else None
        if found is not None:
            return found
    return None


def chalice_paths() -> list[str]:
    """Return the paths to register with Chalice, one per depth."""
    return ["/"] + ["/" + "/".join(f"{{p{i}}}" for i in range(1, depth + 1)) for depth in range(1, MAX_DEPTH + 1)]


def register(app: Any, view: Callable[..., Any]) -> None:  # Any: Chalice has no types
    """Make `view` the answer to every path and method that Chalice can let through."""
    for index, path in enumerate(chalice_paths()):
        app.route(path, methods=METHODS, content_types=[], name=f"kubernetes_{index}")(view)


@dataclass(frozen=True, slots=True)
class User:
    """Who is calling; `bound_to` is what the caller's token is bound to, as it was read for this request."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bound_to: tuple[StoredObject, ...] = field(default=(), compare=False, repr=False)

    def pod(self) -> JSON | None:
        """Return the pod that the token is bound to, decoded anew; None for a token of another kind."""
        return next((each.object() for each in self.bound_to if parse_key(each.key)[0] == "pods"), None)


NOBODY = User("")
AUTHENTICATED, MASTERS = "system:authenticated", "system:masters"  # groups that Kubernetes knows


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """One request, decoded: made once at the edge.

    verb is Kubernetes' (get, list, watch, create, ...) for resources, and the row's own word for
    everything else, where resource is "".
    """

    verb: str
    path: str
    method: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    uid: str = ""  # of the task that a payload is for
    user: User = NOBODY  # as whom the request acts
    notes: dict[str, str] = field(default_factory=dict)  # for the audit log, by whoever answers

    @property
    def is_resource(self) -> bool:
        """Return whether this is about a resource, not about discovery, health or the like."""
        return bool(self.resource)

    def first(self, name: str) -> str:
        """Return the first value of a query parameter, or ""."""
        values = self.query.get(name)
        return values[0] if values else ""

    def flag(self, name: str) -> bool:
        """Return a boolean query parameter as Go's conversion reads it: given and not false or 0."""
        return _is_true(self.query.get(name))

    @property
    def is_upgrade(self) -> bool:
        """Return whether this attempts a WebSocket, even where a gateway has stripped its Upgrade header."""
        upgrade = self.headers.get("upgrade", "").lower()
        return upgrade == "websocket" or "sec-websocket-key" in self.headers


def _is_true(values: list[str] | None) -> bool:
    if not values:
        return False
    return values[0].lower() not in ("false", "0")


def split_path(path: str) -> list[str]:
    """Return the parts of a URL path, empty ones left out.

    Decoded before it is split, as Go's net/http does: an encoded slash separates like any other, and no part has one.
    """
    return [part for part in unquote(path).split("/") if part]


def request_info(
    match: Match,
    *,
    method: str,
    path: str,
    query: Mapping[str, list[str]],
    headers: Mapping[str, str],
    body: bytes,
    user: User = NOBODY,
) -> RequestInfo:
    """Return the RequestInfo of a matched request."""
    values = match.values
    verb = match.route.verb
    if verb == "list" and _is_true(query.get("watch")):
        verb = "watch"
    resource, name = values.get("resource", ""), values.get("name", "")
    namespace = values.get("namespace", "")
    if resource == "namespaces" and name:
        namespace = name
    return RequestInfo(
        verb=verb,
        path=path,
        method=method,
        group=values.get("group", ""),
        version=values.get("version", ""),
        resource=resource,
        subresource=values.get("subresource", ""),
        namespace=namespace,
        name=name,
        query=query,
        headers=headers,
        body=body,
        uid=values.get("uid", ""),
        user=user,
    )
