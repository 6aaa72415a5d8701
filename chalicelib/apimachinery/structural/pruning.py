"""Pruning and defaulting: drop what a structural schema does not know, fill in what it has defaults for.

Compare k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning and .../defaulting, v1.36.
"""

from __future__ import annotations

import copy
from typing import Any

from chalicelib.apimachinery.decoding.gotext import quote
from chalicelib.apimachinery.structural import EMBEDDED, PRESERVES, TYPE_FIELDS, values_schema
from chalicelib.apimachinery.types import JSON

Value = Any  # a value out of JSON


def prune(obj: JSON, schema: JSON) -> list[str]:
    """Drop, in place, the fields of an object that its schema does not have; return `unknown field "spec.x"` each."""
    complaints: list[str] = []
    _prune_object(obj, schema, "", complaints, is_resource=True)
    return complaints


def _prune(value: Value, schema: JSON, path: str, complaints: list[str]) -> None:
    if isinstance(value, dict):
        _prune_object(value, schema, path, complaints, is_resource=bool(schema.get(EMBEDDED)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _prune(item, schema.get("items") or {}, f"{path}[{index}]", complaints)


def _prune_object(value: JSON, schema: JSON, path: str, complaints: list[str], *, is_resource: bool) -> None:
    properties = schema.get("properties") or {}
    of_values = values_schema(schema)
    for key in list(value):
        below = f"{path}.{key}" if path else key
        if is_resource and key in TYPE_FIELDS:
            continue
        if key in properties:
            _prune(value[key], properties[key], below, complaints)
        elif of_values is not None:
            _prune(value[key], of_values, below, complaints)
        elif not schema.get(PRESERVES):
            del value[key]
            complaints.append(f"unknown field {quote(below)}")


def fill_in(value: Value, schema: JSON) -> None:
    """Set, in place, the defaults of a schema in a value; a null where none may be counts as not there."""
    if isinstance(value, list):
        for item in value:
            fill_in(item, schema.get("items") or {})
        return
    if not isinstance(value, dict):
        return
    properties = schema.get("properties") or {}
    for key, below in properties.items():
        is_absent = key not in value or (value[key] is None and not below.get("nullable"))
        if is_absent and "default" in below:
            value[key] = copy.deepcopy(below["default"])
    of_values = values_schema(schema)
    for key, item in value.items():
        fill_in(item, properties.get(key, of_values or {}))


def has_defaults(schema: Value) -> bool:
    """Return whether there is a default anywhere in a schema."""
    if not isinstance(schema, dict):
        return False
    below = [*(schema.get("properties") or {}).values(), schema.get("items"), values_schema(schema)]
    return "default" in schema or any(has_defaults(each) for each in below)
