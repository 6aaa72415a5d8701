"""An OpenAPI v2 document as the protobuf message that kubectl 1.24 to 1.27 cannot do without.

Given JSON or a 406 instead, those refuse to apply, create, diff and explain (tried with 1.24.0, 1.26.4 and 1.27.1;
1.29.4 and 1.31.9 go on with OpenAPI v3). Written is what they read: definitions with types, descriptions and x-
extensions, and the query parameters of patch operations. The message is openapi.v2.Document of gnostic
(openapiv2/OpenAPIv2.proto). Reference for the encoding: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Value = Any  # a value out of an OpenAPI document

_VARINT, _BYTES = 0, 2  # wire types


def encode_openapi(document: Value) -> bytes:
    """Return an OpenAPI v2 document as a message."""
    info = document.get("info") or {}
    return b"".join(
        (
            _text(1, document.get("swagger")),
            delimited(2, _text(1, info.get("title")) + _text(2, info.get("version"))),
            delimited(8, _named(2, document.get("paths") or {}, _path_item)),
            delimited(9, _named(1, document.get("definitions") or {}, _schema)),
        )
    )


def varint(number: int) -> bytes:
    """Return a number of 0 or more as protobuf has it: seven bits a byte, the lowest first."""
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])


def delimited(field: int, content: bytes) -> bytes:
    """Return a field whose value is bytes, text or a message."""
    return varint(field << 3 | _BYTES) + varint(len(content)) + content


def _text(field: int, value: Value) -> bytes:
    return delimited(field, value.encode()) if value else b""


def _named(field: int, values: dict[str, Value], encode: Callable[[Value], bytes]) -> bytes:
    """Return a map as the pairs of name and message that stand for it."""
    return b"".join(delimited(field, _text(1, name) + delimited(2, encode(value))) for name, value in values.items())


def _extensions(field: int, holder: Value) -> bytes:
    """Return the x- extensions, whose values are YAML, which JSON is a part of."""
    found = {name: value for name, value in holder.items() if name.startswith("x-")}
    return _named(field, found, lambda value: _text(2, json.dumps(value, ensure_ascii=False)))


def _path_item(item: Value) -> bytes:
    if "patch" not in item:
        return b""
    queries = (
        _text(2, "query") + _text(4, parameter["name"]) + _text(6, parameter.get("type"))
        for parameter in item["patch"].get("parameters") or ()
        if parameter.get("in") == "query"
    )
    parameters = b"".join(delimited(8, delimited(1, delimited(2, delimited(3, query)))) for query in queries)
    return delimited(8, parameters + _extensions(13, item["patch"]))


_SCHEMA_FIELDS: dict[str, Callable[[Value], bytes]] = {
    "$ref": lambda value: _text(1, value),
    "format": lambda value: _text(2, value),
    "description": lambda value: _text(4, value),
    "required": lambda values: b"".join(_text(19, value) for value in values),
    "additionalProperties": lambda value: delimited(
        21, delimited(1, _schema(value)) if isinstance(value, dict) else varint(2 << 3 | _VARINT) + bytes([value])
    ),
    "type": lambda value: delimited(22, _text(1, value)),
    "items": lambda value: delimited(23, delimited(1, _schema(value))),
    "properties": lambda values: delimited(25, _named(1, values, _schema)),
}


def _schema(schema: Value) -> bytes:
    fields = (encode(schema[name]) for name, encode in _SCHEMA_FIELDS.items() if schema.get(name) is not None)
    return b"".join(fields) + _extensions(31, schema)
