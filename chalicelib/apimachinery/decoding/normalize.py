"""Bring an object into the shape of its type, as Go's decoder and encoder do together.

Nulls and zero values that Go would leave out are dropped; quantities and times get their canonical text. This is the
fast path of the common object, by closures built once per type. Objects with anything odd about them are left to
decode_errors, which walks them again and finds the words.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from chalicelib.apimachinery.decoding.parsing import plain
from chalicelib.apimachinery.rules import quantity
from chalicelib.apimachinery.rules.time import format_micro_time, format_time, parse_time
from chalicelib.apimachinery.schema import Field, Type
from chalicelib.apimachinery.types import JSON

Convert = Callable[[Any], Any]  # Any: a value out of JSON, before and after
Rule = tuple[type | None, Convert | None]  # the class that a value must have, and how to convert it

_UTC_SECONDS = re.compile(r"[12]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ", re.ASCII)


class NormalizeError(Exception):
    """The object needs the slow walk."""


def normalize(value: object, kind: Type) -> JSON:
    """Return `value` in the shape of its type, a new object.

    Raises NormalizeError for whatever clients hear about: unknown fields, wrong types, nulls in lists.
    """
    if value.__class__ is not dict:
        raise NormalizeError
    try:
        normalized: JSON = _struct(kind)(value)
    except (NormalizeError, KeyError, ValueError, RecursionError):
        raise NormalizeError from None
    return normalized


def keeps_null(field: Field) -> bool:
    """Return whether an unset field is written as null: times that are no pointers in Go."""
    return field.is_always_there and field.kind in ("time", "microtime")


def keeps_zero(field: Field) -> bool:
    """Return whether a field that was sent is written even if its value is zero, as an empty list or map is not."""
    return field.keep_zero or (not field.container and field.kind in ("raw", "intstr", "quantity"))


@cache
def _struct(kind: Type) -> Convert:
    table: dict[str, tuple[type | None, Convert | None, bool]] = {}
    nullable = {name for name, field in kind.fields.items() if keeps_null(field)}

    def convert(value: Any) -> Any:  # Any: a value out of JSON
        if not table:  # filled late: types may contain themselves
            table.update({name: (*_field_rule(field), keeps_zero(field)) for name, field in kind.fields.items()})
        out: JSON = {}
        for key, item in value.items():
            expected, inner, keep_zero = table[key]
            if item is None:
                if key in nullable:
                    out[key] = None
                continue
            if expected is not None and item.__class__ is not expected:
                raise NormalizeError
            new = item if inner is None else inner(item)
            if new or keep_zero:
                out[key] = new
        return out

    return convert


def _field_rule(field: Field) -> Rule:
    if field.container == "list":
        return list, _list_of(value_rule(field))
    if field.container == "map":
        return dict, _map_of(value_rule(field))
    return value_rule(field)


def value_rule(field: Field) -> Rule:
    """Return the rule for one value of a field. Its conversion raises ValueError or NormalizeError."""
    if field.kind == "struct":
        return dict, _struct(field.struct)
    if field.kind == "quantity" and field.container == "map":
        return str, quantity.canonical_resource
    return _RULES.get(field.kind, (None, plain))


def _list_of(rule: Rule) -> Convert:
    expected, inner = rule

    def convert(items: Any) -> Any:  # Any: a list out of JSON
        for item in items:
            if expected is not None and item.__class__ is not expected:
                raise NormalizeError
        return list(items) if inner is None else [inner(item) for item in items]

    return convert


def _map_of(rule: Rule) -> Convert:
    expected, inner = rule

    def convert(items: Any) -> Any:  # Any: a dict out of JSON
        for item in items.values():
            if expected is not None and item.__class__ is not expected:
                raise NormalizeError
        return dict(items) if inner is None else {key: inner(item) for key, item in items.items()}

    return convert


def _integer_of(bits: int) -> Convert:
    smallest, largest = -(1 << bits - 1), (1 << bits - 1) - 1

    def check(value: Any) -> Any:  # Any: a value out of JSON
        if value.__class__ is not int or not smallest <= value <= largest:
            raise NormalizeError
        return value

    return check


def _number(value: Any) -> Any:  # Any: a value out of JSON
    if value.__class__ not in (int, float):
        raise NormalizeError
    return value


def _base64(text: str) -> str:
    """Return standard base64 without line breaks. Raises ValueError."""
    data = base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    return base64.b64encode(data).decode()


_INT32 = _integer_of(32)
_RULES: dict[str, Rule] = {
    "string": (str, None),
    "bool": (bool, None),
    "int32": (int, _INT32),
    "int64": (int, _integer_of(64)),
    "float": (None, _number),
    "quantity": (str, quantity.canonical),
    "time": (str, lambda text: text if _UTC_SECONDS.fullmatch(text) else format_time(parse_time(text))),
    "microtime": (str, lambda text: format_micro_time(parse_time(text))),
    "bytes": (str, _base64),
    "strings": (list, _list_of((str, None))),
    "intstr": (None, lambda value: value if value.__class__ is str else _INT32(value)),
}
