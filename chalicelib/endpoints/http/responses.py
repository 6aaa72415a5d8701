"""Answers: objects, lists, Tables, log text, watch frames and Statuses as HTTP responses.

Stored objects are texts without kind and apiVersion; for the plain representation these are spliced
in front of the text, so that no object is decoded only to be encoded again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from chalice.app import Response

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.http.negotiation import Representation
from chalicelib.registry.registry import Registry
from chalicelib.storage.base import StoredObject

JSON_TYPE = "application/json"
TEXT_TYPE = "text/plain; charset=utf-8"
STREAM_KEY = "x-stream"  # where the dev server looks for an iterator of bytes

Headers = dict[str, Any]  # Chalice takes a list as the value of a repeated header


class StreamResponse(Response):
    """A response whose body is an iterator of bytes, written as it comes by the local server."""

    def __init__(self, pieces: Iterator[bytes], *, content_type: str, status_code: int = 200) -> None:
        headers: Headers = {"Content-Type": content_type}
        super().__init__(body="", status_code=status_code, headers=headers)
        self.pieces = pieces

    def to_dict(self, binary_types: Any = None) -> dict[str, Any]:
        """Return Chalice's response dict with the iterator under STREAM_KEY; the body itself is never binary."""
        del binary_types
        as_dict: dict[str, Any] = super().to_dict()
        as_dict[STREAM_KEY] = self.pieces
        return as_dict


def dumps(value: Any, *, is_pretty: bool = False) -> str:
    """Return `value` as JSON text, compact or for people."""
    if is_pretty:
        return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def respond(value: Any, *, code: int = 200, representation: Representation | None = None) -> Response:
    """Return a response with `value` in the representation asked for."""
    how = representation or Representation()
    if how.is_yaml:
        from chalicelib.endpoints.http.yaml_text import yaml_text  # lazy: few answers are YAML

        headers: Headers = {"Content-Type": "application/yaml"}
        return Response(body=yaml_text(value), status_code=code, headers=headers)
    text = dumps(value, is_pretty=how.is_pretty)
    return Response(body=text, status_code=code, headers={"Content-Type": JSON_TYPE})


def text_response(text: str, *, code: int = 200) -> Response:
    """Return plain text."""
    return Response(body=text, status_code=code, headers={"Content-Type": TEXT_TYPE})


def status_response(error: StatusError, *, is_pretty: bool = False) -> Response:
    """Return a Status with its code, and Retry-After where the Status says when."""
    headers: Headers = {"Content-Type": JSON_TYPE}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    body = dumps(error.to_dict(), is_pretty=is_pretty)
    return Response(body=body, status_code=error.code, headers=headers)


def type_prefix(registry: Registry) -> str:
    """Return the text that makes a typed object of a stored one, up to its first key."""
    return dumps({"kind": registry.strategy.kind, "apiVersion": registry.strategy.api_version})[:-1]


def typed_text(registry: Registry, stored: StoredObject) -> str:
    """Return the JSON text of a stored object with kind and apiVersion."""
    if registry.strategy.stored_as:
        return dumps(registry.typed(stored))
    rest = stored.json[1:]
    return type_prefix(registry) + ("," if rest.strip() != "}" else "") + rest


def object_response(registry: Registry, stored: StoredObject, code: int, how: Representation) -> Response:
    """Return one stored object as it is."""
    if how.is_yaml or how.is_pretty:
        return respond(registry.typed(stored), code=code, representation=how)
    return Response(body=typed_text(registry, stored), status_code=code, headers={"Content-Type": JSON_TYPE})


def list_text(registry: Registry, metadata: JSON, items: Iterable[StoredObject]) -> str:
    """Return the JSON text of a list of stored objects; items carry no kind, as on a real server."""
    strategy = registry.strategy
    if strategy.is_custom:
        metadata = {"continue": "", **metadata}
    head = dumps({"kind": strategy.list_kind, "apiVersion": strategy.api_version, "metadata": metadata})
    if strategy.is_custom:  # as on a real server, these do carry their kind
        return head[:-1] + ',"items":[' + ",".join(typed_text(registry, item) for item in items) + "]}"
    if strategy.stored_as:
        items = list(registry.as_seen(items))
    return head[:-1] + ',"items":[' + ",".join(item.json for item in items) + "]}"


def with_warnings(response: Response, warnings: Iterable[str]) -> Response:
    """Add a Warning header (RFC 7234, code 299) per sentence to a response, and return it."""
    before = response.headers.get("Warning", [])
    values = [before] if isinstance(before, str) else list(before)
    values += [warning_value(text) for text in dict.fromkeys(warnings)]
    if values:
        response.headers["Warning"] = values if len(values) > 1 else values[0]
    return response


def warning_value(text: str) -> str:
    """Return the value of one Warning header."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    quoted = clean.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{quoted}"'


def success_status(details: Mapping[str, Any]) -> JSON:
    """Return the Status that a delete answers with."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {key: value for key, value in details.items() if value},
    }
