"""The protobuf form of an OpenAPI v2 document: what kubectl 1.24 to 1.27 reads before it applies."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.apimachinery.decoding.openapi_protobuf import encode_openapi
from chalicelib.apimachinery.decoding.protobuf import wire_fields


def _fields(data: bytes) -> dict[int, list[Any]]:  # Any: numbers and bytes
    """Return the values of a message by field number."""
    found: dict[int, list[Any]] = {}
    for number, _, value in wire_fields(data):
        found.setdefault(number, []).append(value)
    return found


def _one(data: bytes, *path: int) -> Any:  # Any: a number or bytes
    """Return the only value at the end of a path of field numbers."""
    for number in path:
        (data,) = _fields(data)[number]
    return data


def _schema(schema: dict[str, Any]) -> bytes:
    named = _one(encode_openapi({"definitions": {"Thing": schema}}), 9, 1)
    assert _one(named, 1) == b"Thing"
    found: bytes = _one(named, 2)
    return found


def test_a_document_says_what_it_is() -> None:
    info = {"title": "Kubernetes", "version": "v1.36.2"}

    made = encode_openapi({"swagger": "2.0", "info": info, "paths": {}, "definitions": {}})

    assert _one(made, 1) == b"2.0"
    assert (_one(made, 2, 1), _one(made, 2, 2)) == (b"Kubernetes", b"v1.36.2")


@pytest.mark.parametrize(
    ("schema", "path", "value"),
    [
        ({"$ref": "#/definitions/x"}, (1,), b"#/definitions/x"),
        ({"description": "é"}, (4,), "é".encode()),
        ({"description": "x" * 300}, (4,), b"x" * 300),
        ({"type": "object"}, (22, 1), b"object"),
        ({"items": {"type": "string"}}, (23, 1, 22, 1), b"string"),
        ({"additionalProperties": {"type": "string"}}, (21, 1, 22, 1), b"string"),
        ({"additionalProperties": True}, (21, 2), 1),
        ({"properties": {"a": {"type": "string"}}}, (25, 1, 1), b"a"),
        ({"properties": {"a": {"type": "string"}}}, (25, 1, 2, 22, 1), b"string"),
        ({"x-kubernetes-list-type": "map"}, (31, 1), b"x-kubernetes-list-type"),
        ({"x-kubernetes-list-map-keys": ["a"]}, (31, 2, 2), b'["a"]'),
    ],
)
def test_a_part_of_a_schema_has_its_field(schema: dict[str, Any], path: tuple[int, ...], value: object) -> None:
    assert _one(_schema(schema), *path) == value


def test_lists_are_repeated_fields() -> None:
    fields = _fields(_schema({"required": ["a", "b"]}))

    assert fields[19] == [b"a", b"b"]


def test_what_kubectl_does_not_read_is_left_out() -> None:
    assert _schema({"anyOf": [{"type": "string"}], "nullable": True, "maxItems": 3}) == b""


def test_a_patch_operation_lists_its_query_parameters_and_kind() -> None:
    operation = {
        "operationId": "patchThing",
        "parameters": [
            {"name": "dryRun", "in": "query", "type": "string"},
            {"name": "body", "in": "body", "required": True, "schema": {"type": "object"}},
        ],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-group-version-kind": {"kind": "Thing"},
    }

    item = _one(encode_openapi({"paths": {"/things/{name}": {"patch": operation}}}), 8, 2)
    patch = _one(item, 2, 8)

    assert _one(item, 1) == b"/things/{name}"
    assert _one(patch, 8, 1, 2, 3, 4) == b"dryRun"
    assert _one(patch, 13, 2, 2) == b'{"kind": "Thing"}'
