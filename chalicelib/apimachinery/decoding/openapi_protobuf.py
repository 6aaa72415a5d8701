"""An OpenAPI v2 document as the protobuf message that kubectl before 1.32 asks for, and cannot do without.

The message is openapi.v2.Document of gnostic (openapiv2/OpenAPIv2.proto). What it has no field for, such as a custom
resource's anyOf, is left out; x- extensions go into it as YAML, of which JSON is a part. Reference for the encoding:
protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable
from typing import Any

Value = Any  # a value out of an OpenAPI document

_VARINT, _FIXED64, _BYTES = 0, 1, 2  # wire types
_EXTENSION = "x-"


def encode_openapi(document: Value) -> bytes:
    """Return an OpenAPI v2 document as a message."""
    info, paths = document.get("info") or {}, document.get("paths") or {}
    return b"".join(
        (
            _text(1, document.get("swagger")),
            _block(2, _text(1, info.get("title")) + _text(2, info.get("version"))),
            _block(8, _named(2, paths, _path_item)),
            _block(9, _named(1, document.get("definitions") or {}, _schema)),
        )
    )


def _varint(number: int) -> bytes:
    made = bytearray()
    number &= (1 << 64) - 1
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)


def _block(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(content)) + content


def _text(field: int, value: Value) -> bytes:
    return _block(field, value.encode()) if isinstance(value, str) and value else b""


def _texts(field: int, values: Value) -> bytes:
    return b"".join(_block(field, str(value).encode()) for value in values or ())


def _flag(field: int, value: Value) -> bytes:
    return _varint(field << 3 | _VARINT) + b"\1" if value is True else b""


def _integer(field: int, value: Value) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(value) if isinstance(value, int) and value else b""


def _double(field: int, value: Value) -> bytes:
    if not isinstance(value, int | float):
        return b""
    return _varint(field << 3 | _FIXED64) + struct.pack("<d", value)


def _any(field: int, value: Value) -> bytes:
    return _block(field, _text(2, json.dumps(value, ensure_ascii=False)))


def _named(field: int, values: Value, encode: Callable[[Value], bytes]) -> bytes:
    """Return a map as the pairs of name and message that stand for it."""
    pairs: Iterable[tuple[str, Value]] = values.items()
    return b"".join(_block(field, _text(1, name) + _block(2, encode(value))) for name, value in pairs)


def _extensions(field: int, holder: Value) -> bytes:
    found = {name: value for name, value in holder.items() if name.startswith(_EXTENSION)}
    return _named(field, found, lambda value: _text(2, json.dumps(value, ensure_ascii=False)))


_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}


def _path_item(item: Value) -> bytes:
    operations = (_block(field, _operation(item[name])) for name, field in _METHODS.items() if name in item)
    return b"".join(operations) + _extensions(10, item)


def _operation(operation: Value) -> bytes:
    parameters = b"".join(
        _block(8, _block(1, _parameter(each))) for each in operation.get("parameters") or ()
    )
    responses = _named(
        1, operation.get("responses") or {}, lambda each: _block(1, _text(1, each["description"]))
    )
    return b"".join(
        (
            _text(5, operation.get("operationId")),
            parameters,
            _block(9, responses),
            _extensions(13, operation),
        )
    )


def _parameter(parameter: Value) -> bytes:
    name, place = parameter.get("name"), parameter.get("in")
    if place == "body":
        content = _text(2, name) + _text(3, place) + _flag(4, parameter.get("required"))
        return _block(1, content + _block(5, _schema(parameter.get("schema") or {})))
    kind = 6 if place == "query" else 5  # the other place is the path, whose message lacks allow_empty_value
    content = _flag(1, parameter.get("required")) + _text(2, place) + _text(4, name)
    return _block(2, _block(3 if place == "query" else 4, content + _text(kind, parameter.get("type"))))


_FIELDS: tuple[tuple[str, int, Callable[[int, Value], bytes]], ...] = (
    ("$ref", 1, _text),
    ("format", 2, _text),
    ("title", 3, _text),
    ("description", 4, _text),
    ("default", 5, _any),
    ("multipleOf", 6, _double),
    ("maximum", 7, _double),
    ("exclusiveMaximum", 8, _flag),
    ("minimum", 9, _double),
    ("exclusiveMinimum", 10, _flag),
    ("maxLength", 11, _integer),
    ("minLength", 12, _integer),
    ("pattern", 13, _text),
    ("maxItems", 14, _integer),
    ("minItems", 15, _integer),
    ("uniqueItems", 16, _flag),
    ("maxProperties", 17, _integer),
    ("minProperties", 18, _integer),
    ("required", 19, _texts),
    ("enum", 20, lambda field, values: b"".join(_any(field, value) for value in values or ())),
    ("additionalProperties", 21, lambda field, value: _block(field, _more(value))),
    ("type", 22, lambda field, value: _block(field, _text(1, value))),
    ("items", 23, lambda field, value: _block(field, _block(1, _schema(value or {})))),
    ("properties", 25, lambda field, values: _block(field, _named(1, values or {}, _schema))),
)


def _more(value: Value) -> bytes:
    if isinstance(value, dict):
        return _block(1, _schema(value))
    return _varint(2 << 3 | _VARINT) + (b"\1" if value else b"\0")


def _schema(schema: Value) -> bytes:
    fields = (encode(field, schema[name]) for name, field, encode in _FIELDS if name in schema)
    return b"".join(fields) + _extensions(31, schema)
