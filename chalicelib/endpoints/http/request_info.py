"""Request to RequestInfo: the verb, its object and the user. Nothing below the edge sees a URL or a header."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from chalicelib.endpoints.http.routes import Match


@dataclass(frozen=True, slots=True)
class User:
    """Who is calling."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


NOBODY = User("")


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
