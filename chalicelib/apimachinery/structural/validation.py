"""Validation of a value against a structural schema, in a real server's words.

Compare k8s.io/kube-openapi/pkg/validation and k8s.io/apiextensions-apiserver/pkg/apiserver/validation, v1.36.
Rules in CEL (x-kubernetes-validations) are not evaluated; a definition that has them is warned about.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from chalicelib.apimachinery.decoding.gotext import value_text
from chalicelib.apimachinery.patching.field_set import compact
from chalicelib.apimachinery.rules import causes
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.rules.time import find_time
from chalicelib.apimachinery.structural import INT_OR_STRING, LIST_KEYS, LIST_TYPE, PRESERVES, patterns, values_schema
from chalicelib.apimachinery.types import JSON

Value = Any  # a value out of JSON

MAX_CAUSES = 100  # more would not help
_MAX_EXACT = 2**53 - 1  # the largest whole number up to which floats have all


def validate(value: Value, schema: JSON, path: str = "") -> list[Cause]:
    """Return what is wrong with a value, at most MAX_CAUSES, in the order of the value's fields."""
    found: list[Cause] = []
    for cause in _value(value, schema, path):
        found.append(cause)
        if len(found) == MAX_CAUSES:
            break
    return found


def _value(value: Value, schema: JSON, path: str) -> Iterator[Cause]:
    expected = "integer,string" if schema.get(INT_OR_STRING) else schema.get("type", "")
    if value is None and (schema.get("nullable") or not expected):
        return
    found = _json_type(value)
    is_whole = found == "integer" or (found == "number" and value.is_integer())
    if expected and found not in expected.split(",") and not (expected in ("integer", "number") and is_whole):
        shown = f'{path or "<nil>"} in body must be of type {expected}: "{found}"'
        yield Cause("FieldValueTypeInvalid", f'Invalid value: "{found}": {shown}', path)
        return
    yield from _junctions(value, schema, path)
    if schema.get("enum") and value not in schema["enum"]:
        choices = [each if isinstance(each, str) else compact(each) for each in schema["enum"]]
        yield causes.not_supported(path, value, choices)
    if found == "string":
        yield from _string(value, schema, path)
    elif found in ("integer", "number"):
        yield from _number(value, schema, path)
    elif found == "array":
        yield from _list(value, schema, path)
    elif found == "object":
        yield from _object(value, schema, path)


def _json_type(value: Value) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    names: dict[type, str] = {int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]


def _string(value: str, schema: JSON, path: str) -> Iterator[Cause]:
    if (limit := schema.get("maxLength")) is not None and len(value) > limit:
        yield causes.too_long(path, limit)
    if (limit := schema.get("minLength")) is not None and len(value) < limit:
        yield _bad(path, value, f"should be at least {limit} chars long")
    if complaint := patterns.complaint(value, schema["pattern"]) if schema.get("pattern") else "":
        yield _bad(path, value, complaint)
    shape = schema.get("format", "")
    if shape in _FORMATS and not _FORMATS[shape](value):
        text = f'{path or "<nil>"} in body must be of type {shape}: "{value}"'
        yield Cause("FieldValueTypeInvalid", f"Invalid value: {value_text(value)}: {text}", path)


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == len("2006-01-02")


_UUID = re.compile(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": lambda text: find_time(text) is not None,
    "datetime": lambda text: find_time(text) is not None,
    "date": _is_date,
    "uuid": lambda text: _UUID.fullmatch(text) is not None,
}


def _bad(path: str, value: Value, what: str) -> Cause:
    return causes.invalid(path, value, f"{path or '<nil>'} in body {what}")


def _number(value: float, schema: JSON, path: str) -> Iterator[Cause]:
    low, high, step = schema.get("minimum"), schema.get("maximum"), schema.get("multipleOf")
    if low is not None and (value <= low if schema.get("exclusiveMinimum") else value < low):
        words = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        yield _bad(path, value, f"should be {words} {low}")
    if high is not None and (value >= high if schema.get("exclusiveMaximum") else value > high):
        words = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        yield _bad(path, value, f"should be {words} {high}")
    if step and not _is_multiple(value, step):
        yield _bad(path, value, f"should be a multiple of {step}")


def _is_multiple(value: float, step: float) -> bool:
    """Return whether `value` is a multiple; with floats as near as go-openapi takes it, 0.5 is one of 0.1."""
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    try:
        ratio = 1 / step * value if step < 1 else value / step
    except OverflowError:  # an integer beyond any float
        return False
    return abs(ratio) <= _MAX_EXACT and math.isclose(ratio, round(ratio), rel_tol=2e-9)


def _list(value: list[Value], schema: JSON, path: str) -> Iterator[Cause]:
    if (limit := schema.get("maxItems")) is not None and len(value) > limit:
        yield causes.too_many(path, len(value), limit)
    if (limit := schema.get("minItems")) is not None and len(value) < limit:
        yield _bad(path, value, f"should have at least {limit} items")
    for index, item in enumerate(value):
        yield from _value(item, schema.get("items") or {}, f"{path}[{index}]")
    keys = schema.get(LIST_KEYS) or () if schema.get(LIST_TYPE) == "map" else None
    if keys is None and schema.get(LIST_TYPE) != "set":
        return
    seen: set[str] = set()
    for index, item in enumerate(value):
        by_keys = keys is not None and isinstance(item, dict)
        identity = {key: item[key] for key in keys or () if key in item} if by_keys else item
        if compact(identity) in seen:
            yield causes.duplicate(f"{path}[{index}]", identity)
        seen.add(compact(identity))


def _object(value: JSON, schema: JSON, path: str) -> Iterator[Cause]:
    if (limit := schema.get("maxProperties")) is not None and len(value) > limit:
        yield causes.too_many(path, len(value), limit)
    if (limit := schema.get("minProperties")) is not None and len(value) < limit:
        yield _bad(path, value, f"should have at least {limit} properties")
    for key in schema.get("required") or ():
        if key not in value:
            yield causes.required(f"{path}.{key}" if path else key)
    properties = schema.get("properties") or {}
    of_values = values_schema(schema)
    for key, item in value.items():
        below = f"{path}.{key}" if path else key
        if key in properties:
            yield from _value(item, properties[key], below)
        elif of_values is not None and not of_values.get(PRESERVES):
            yield from _value(item, of_values, below)


def _junctions(value: Value, schema: JSON, path: str) -> Iterator[Cause]:
    for each in schema.get("allOf") or ():
        yield from _value(value, each, path)
    choices = schema.get("anyOf") or ()
    if choices and not any(_fits(value, each, path) for each in choices):
        yield _bad(path, value, "must validate at least one schema (anyOf)")
    choices = schema.get("oneOf") or ()
    if choices:
        fitting = sum(_fits(value, each, path) for each in choices)
        if fitting != 1:
            words = "Found none valid" if not fitting else f"Found {fitting} valid alternatives"
            yield _bad(path, value, f"must validate one and only one schema (oneOf). {words}")
    if schema.get("not") and _fits(value, schema["not"], path):
        yield _bad(path, value, "must not validate the schema (not)")


def _fits(value: Value, schema: JSON, path: str) -> bool:
    return next(_value(value, schema, path), None) is None
