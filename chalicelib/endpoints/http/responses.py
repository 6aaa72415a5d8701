"""Answers: what a client accepts, and objects, lists, text and Statuses as HTTP responses, in gzip where they are long.

Stored objects are texts without kind and apiVersion; for the plain representation these are spliced
in front of the text, so that no object is decoded only to be encoded again. We write JSON and YAML; Kubernetes
protobuf is read, never written. A local server packs long answers here; on AWS API Gateway does, except what Lambda
itself could not answer unpacked.

Reference: api-concepts, "Alternate representations of resources" and "Receiving resources as Tables"; for compression
k8s.io/apiserver/pkg/endpoints/handlers/responsewriters (v1.36).
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from chalice.app import Response

from chalicelib.apimachinery.rules.status import StatusError, not_acceptable
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.http.requests import RequestInfo
from chalicelib.registry.registry import Registry
from chalicelib.storage.base import StoredObject

Shape = Literal["object", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"]

MEDIA_TYPES = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
JSON_TYPES = ("application/json", "application/*", "*/*")
SHAPES: tuple[Shape, ...] = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


@dataclass(frozen=True, slots=True)
class Representation:
    """How to write an answer: as the object itself or converted, in JSON or YAML."""

    shape: Shape = "object"
    shape_version: str = "v1"
    is_yaml: bool = False
    is_pretty: bool = False


def parse_accept(header: str) -> list[tuple[str, dict[str, str]]]:
    """Return the media types of an Accept header with their parameters, in order of preference."""
    entries = []
    for index, part in enumerate(header.split(",")):
        name, *rest = [piece.strip() for piece in part.split(";")]
        params = dict(piece.split("=", 1) for piece in rest if "=" in piece)
        try:
            quality = float(params.get("q", "1"))
        except ValueError:
            quality = 0.0
        if name:
            entries.append((-quality, index, name.lower(), params))
    return [(name, params) for _, _, name, params in sorted(entries, key=lambda entry: entry[:2])]


def representation(info: RequestInfo, *, is_list: bool = False) -> Representation:
    """Return the representation that a request asks for. Raises 406."""
    return negotiate(info.headers.get("accept", ""), is_list=is_list, is_pretty=info.flag("pretty"))


def negotiate(header: str, *, is_list: bool, is_pretty: bool = False) -> Representation:
    """Return the representation for an Accept header. Raises 406 if we write none of those asked for."""
    if not header.strip():
        return Representation(is_pretty=is_pretty)
    seen_shape = False
    for name, params in parse_accept(header):
        is_yaml = name == "application/yaml"
        if not is_yaml and name not in JSON_TYPES:
            continue
        shape = params.get("as")
        if shape is None:
            return Representation(is_yaml=is_yaml, is_pretty=is_pretty)
        seen_shape = True
        for known in SHAPES:
            if shape == known and params.get("g") == "meta.k8s.io" and params.get("v") in ("v1", "v1beta1"):
                return Representation(known, params["v"], is_yaml, is_pretty)
    if seen_shape:
        raise not_acceptable("only the following media types are accepted: " + ", ".join(MEDIA_TYPES))
    kinds = list(MEDIA_TYPES)
    if is_list:
        kinds += ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"]
    error = not_acceptable("406: Not Acceptable\n\nAvailable representations: " + ", ".join(kinds))
    error.details = {}
    raise error


JSON_TYPE = "application/json"
TEXT_TYPE = "text/plain; charset=utf-8"
STREAM_KEY = "x-stream"  # where the dev server looks for an iterator of bytes

MIN_BYTES = 128 * 1024  # where packing begins to pay
LEVEL = 1  # the fastest: lists of objects shrink to a tenth with it already
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


@lru_cache(maxsize=256)
def _types_text(kind: str, api_version: str) -> str:
    """Return how the JSON text of an object of that kind begins."""
    return dumps({"kind": kind, "apiVersion": api_version})[:-1]


def typed_text(registry: Registry, stored: StoredObject) -> str:
    """Return the JSON text of a stored object with kind and apiVersion."""
    if registry.strategy.stored_as:
        return dumps(registry.typed(stored))
    head = _types_text(registry.strategy.kind, registry.strategy.api_version)
    rest = stored.json[1:]
    return head + ("," if rest.strip() != "}" else "") + rest


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
        seen = (strategy.from_stored(item.object()) for item in items)
        return head[:-1] + ',"items":[' + ",".join(map(dumps, seen)) + "]}"
    return head[:-1] + ',"items":[' + ",".join(item.json for item in items) + "]}"


# As k8s.io/apiserver/pkg/endpoints/filters (warning.go) has it: of all together, and of each where they are more.
MOST_WARNING_CHARACTERS, LONGEST_CUT_WARNING = 4096, 256
MOST_WARNINGS = 64  # Python's http.client takes a hundred headers in all


def with_warnings(response: Response, warnings: Iterable[str]) -> Response:
    """Add a Warning header (RFC 7234, code 299) per sentence to a response, and return it."""
    before = response.headers.get("Warning", [])
    values = [before] if isinstance(before, str) else list(before)
    texts = list(dict.fromkeys(warnings))
    if sum(map(len, texts)) > MOST_WARNING_CHARACTERS:
        texts = [text[:LONGEST_CUT_WARNING] for text in texts]
    left = MOST_WARNING_CHARACTERS
    for text in texts[: max(0, MOST_WARNINGS - len(values))]:
        left -= len(text)
        if left >= 0:
            values.append(warning_value(text))
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


def compressed(response: Response, headers: Mapping[str, str]) -> Response:
    """Return the answer in gzip if it is long and the client takes that, else as it is."""
    body = response.body
    if isinstance(response, StreamResponse | PackedResponse) or not isinstance(body, str):
        return response
    if len(body) < MIN_BYTES or not _takes_gzip(headers.get("accept-encoding", "")):
        return response
    packed = gzip.compress(body.encode(), LEVEL, mtime=0)
    content_type = str(response.headers.get("Content-Type", "application/json"))
    made = StreamResponse((each for each in [packed]), content_type=content_type, status_code=response.status_code)
    made.headers.update(response.headers)
    made.headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return made


class PackedResponse(Response):
    """An answer of bytes, in the base64 that API Gateway's proxy takes them in."""

    def to_dict(self, binary_types: Any = None) -> dict[str, Any]:
        """Return Chalice's response dict, marked as base64."""
        as_dict: dict[str, Any] = super().to_dict(binary_types)
        return {**as_dict, "isBase64Encoded": True}


def bytes_response(data: bytes, content_type: str, headers: Mapping[str, str]) -> Response:
    """Return an answer of bytes, in gzip if the client takes that."""
    made: Headers = {"Content-Type": content_type}
    if _takes_gzip(headers.get("accept-encoding", "")):
        data = gzip.compress(data, LEVEL, mtime=0)
        made |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return PackedResponse(base64.b64encode(data).decode(), headers=made, status_code=200)


def fitted(response: Response, headers: Mapping[str, str], *, max_bytes: int) -> tuple[Response, int]:
    """Return the answer, packed if only so Lambda can give it, and how many bytes Lambda is to send for it.

    More than `max_bytes` where it does not fit even so.
    """
    size = len(response.body)
    if size <= max_bytes:
        size = len(json.dumps(response.body))  # text is sent within JSON, which makes it longer
    if size <= max_bytes or not _takes_gzip(headers.get("accept-encoding", "")):
        return response, size
    body = base64.b64encode(gzip.compress(response.body.encode(), LEVEL, mtime=0)).decode()
    packed = PackedResponse(
        body,
        headers={**response.headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"},
        status_code=response.status_code,
    )
    return packed, len(body)


def _takes_gzip(header: str) -> bool:
    for name, params in parse_accept(header):
        if name in ("gzip", "*"):
            try:
                return float(params.get("q", "1")) > 0
            except ValueError:
                return False
    return False
