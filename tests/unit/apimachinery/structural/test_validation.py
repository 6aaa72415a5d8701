"""Structural schemas: what is pruned, filled in and refused, in a real server's words."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.apimachinery.structural import json_path
from chalicelib.apimachinery.structural.pruning import fill_in, has_defaults, prune
from chalicelib.apimachinery.structural.validation import validate
from chalicelib.apimachinery.types import JSON

INT: JSON = {"type": "integer", "minimum": 1, "maximum": 9}
LIST_MAP: JSON = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    "items": {"type": "object", "properties": {"name": {"type": "string"}}},
}


def _messages(value: Any, schema: JSON) -> list[str]:  # Any: a value out of JSON
    found = validate({"f": value}, {"type": "object", "properties": {"f": schema}})
    return [f"{cause.field}: {cause.message}" for cause in found]


@pytest.mark.parametrize(
    ("value", "schema", "message"),
    [
        (0, INT, "f: Invalid value: 0: f in body should be greater than or equal to 1"),
        (10, INT, "f: Invalid value: 10: f in body should be less than or equal to 9"),
        ("1", INT, 'f: Invalid value: "string": f in body must be of type integer: "string"'),
        (None, INT, 'f: Invalid value: "null": f in body must be of type integer: "null"'),
        ("c", {"type": "string", "enum": ["a", "b"]}, 'f: Unsupported value: "c": supported values: "a", "b"'),
        ("ab", {"type": "string", "pattern": "^a$"}, "f: Invalid value: \"ab\": f in body should match '^a$'"),
        ("a", {"type": "string", "minLength": 2}, 'f: Invalid value: "a": f in body should be at least 2 chars long'),
        ("abc", {"type": "string", "maxLength": 2}, "f: Too long: may not be more than 2 bytes"),
        ([1, 2], {"type": "array", "items": INT, "maxItems": 1}, "f: Too many: 2: must have at most 1 item"),
        (
            [],
            {"type": "array", "items": INT, "minItems": 1},
            "f: Invalid value: []: f in body should have at least 1 items",
        ),
        ({}, {"type": "object", "required": ["x"]}, "f.x: Required value"),
        ([{"name": "a"}, {"name": "a"}], LIST_MAP, 'f[1]: Duplicate value: {"name":"a"}'),
        (
            True,
            {"x-kubernetes-int-or-string": True},
            'f: Invalid value: "boolean": f in body must be of type integer,string: "boolean"',
        ),
        (
            "x",
            {"type": "string", "format": "date-time"},
            'f: Invalid value: "x": f in body must be of type date-time: "x"',
        ),
        (
            5,
            {"anyOf": [{"type": "string"}, {"maximum": 3}]},
            "f: Invalid value: 5: f in body must validate at least one schema (anyOf)",
        ),
    ],
)
def test_what_the_schema_forbids_is_told_as_a_real_server_does(value: Any, schema: JSON, message: str) -> None:
    assert _messages(value, schema) == [message]


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (1, INT),
        (1.0, INT),
        (None, {"type": "string", "nullable": True}),
        ("50%", {"x-kubernetes-int-or-string": True}),
        (7, {"x-kubernetes-int-or-string": True}),
        ({"any": [1]}, {"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
        ({"a": 1}, {"type": "object", "additionalProperties": INT}),
        ("2026-07-01T10:00:00Z", {"type": "string", "format": "date-time"}),
        ("a", {"oneOf": [{"type": "string"}, {"type": "integer"}]}),
        # a null is as if it were not there, and an empty enum forbids nothing
        ("a", dict.fromkeys(["enum", "minLength", "maxLength", "pattern", "format"])),
        ([1], dict.fromkeys(["enum", "minItems", "maxItems", "items"])),
        ({"a": 1}, dict.fromkeys(["enum", "minProperties", "maxProperties", "required", "properties"])),
        (1, dict.fromkeys(["enum", "minimum", "maximum", "multipleOf"])),
        ("a", {"enum": []}),
    ],
)
def test_what_the_schema_allows_passes(value: Any, schema: JSON) -> None:
    assert _messages(value, schema) == []


def test_unknown_fields_go_and_are_told_with_their_path() -> None:
    schema: JSON = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": {"list": {"type": "array", "items": {"type": "object"}}}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
    obj = {"kind": "A", "spec": {"list": [{"x": 1}], "zz": 1}, "free": {"x": 1}, "other": 2}

    complaints = prune(obj, schema)

    assert obj == {"kind": "A", "spec": {"list": [{}]}, "free": {"x": 1}}
    assert sorted(complaints) == ['unknown field "other"', 'unknown field "spec.list[0].x"', 'unknown field "spec.zz"']


def test_defaults_are_filled_in_at_every_depth_and_never_shared() -> None:
    inner: JSON = {"type": "object", "default": {"n": [1]}, "properties": {"m": {"type": "string", "default": "x"}}}
    schema: JSON = {"type": "object", "properties": {"spec": inner}}
    first: JSON = {}
    second: JSON = {"spec": None}

    fill_in(first, schema)
    fill_in(second, schema)
    first["spec"]["n"].append(2)

    assert second == {"spec": {"n": [1], "m": "x"}}
    assert has_defaults(schema)
    assert not has_defaults({"type": "object", "properties": {"a": INT}})


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.n", [3]),
        (".metadata.labels.a\\.b/c", ["x"]),
        (".list[0].v", [1]),
        (".list[-1].v", [2]),
        (".list[*].v", [1, 2]),
        ('.list[?(@.k=="b")].v', [2]),
        (".metadata.labels['a.b/c']", ["x"]),
        (".nothing.here", []),
    ],
)
def test_printer_columns_find_their_values(path: str, found: list[object]) -> None:
    obj = {"spec": {"n": 3}, "metadata": {"labels": {"a.b/c": "x"}}, "list": [{"k": "a", "v": 1}, {"k": "b", "v": 2}]}

    assert json_path.find(obj, json_path.parse(path)) == found


@pytest.mark.parametrize("path", ["..", ".a[", ".a[?(@)]", "[x]"])
def test_a_path_that_is_not_understood_is_refused(path: str) -> None:
    with pytest.raises(json_path.PathError):
        json_path.parse(path)


def test_plain_patterns_are_tried() -> None:
    name = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

    assert _messages("good-name", {"type": "string", "pattern": name}) == []
    assert len(_messages("-bad", {"type": "string", "pattern": name})) == 1
