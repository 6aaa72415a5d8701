"""Bring an object into the shape of its type, as Go's decoder and encoder do together.

Unknown fields, nulls and zero values that Go would leave out are dropped; quantities and times get their
canonical text. The common, faultless object takes a fast path of closures built once per type; anything odd
is walked again by conform_report, which knows paths and words.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from chalicelib.apimachinery.rules import quantity, time
from chalicelib.apimachinery.schema import Field, Type
from chalicelib.apimachinery.types import JSON

Convert = Callable[[Any], Any]  # Any: a value out of JSON, before and after

_INT32 = (-(2**31), 2**31 - 1)
_INT64 = (-(2**63), 2**63 - 1)
_UTC_SECONDS = re.compile(
    r"[12]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ", re.ASCII
)


class UnfitError(Exception):
    """Something the fast path does not handle; the report will say what."""


def conform(value: object, kind: Type) -> JSON:
    """Return `value` in the shape of its type, a new object.

    Raises UnfitError for whatever needs a word with the client: unknown fields, wrong types, nulls in lists.
    """
    if value.__class__ is not dict:
        raise UnfitError
    try:
        converted: JSON = _struct(kind)(value)
    except (UnfitError, KeyError, ValueError, RecursionError):
        raise UnfitError from None
    return converted


@cache
def _struct(kind: Type) -> Convert:
    table: dict[str, tuple[type | None, Convert | None, bool]] = {}
    nullable = {name for name, field in kind.fields.items() if keeps_null(field)}

    def convert(value: Any) -> Any:  # Any: a value out of JSON
        if not table:
            table.update({name: _entry(field) for name, field in kind.fields.items()})
        out: JSON = {}
        for key, item in value.items():
            expected, inner, keep_zero = table[key]
            if item is None:
                if key in nullable:
                    out[key] = None
                continue
            if expected is not None and item.__class__ is not expected:
                raise UnfitError
            new = item if inner is None else inner(item)
            if new or keep_zero:
                out[key] = new
        return out

    return convert if kind.fields else _empty


def keeps_null(field: Field) -> bool:
    """Return whether an unset field is written as null: times that are no pointers in Go."""
    return field.is_always_there and field.kind in ("time", "microtime")


def keeps_zero(field: Field) -> bool:
    """Return whether a field that was sent is written even if its value is zero, as an empty list or map is not."""
    return field.keep_zero or (not field.container and field.kind in ("raw", "intstr", "quantity"))


def _empty(value: Any) -> Any:  # Any: a value out of JSON
    if value.__class__ is not dict or value:
        raise UnfitError
    return {}


def _entry(field: Field) -> tuple[type | None, Convert | None, bool]:
    """Return (class that the value must have, how to convert it, whether a zero is kept)."""
    expected, inner = _value(field)
    if field.container == "list":
        return list, _list_of(expected, inner), keeps_zero(field)
    if field.container == "map":
        return dict, _map_of(expected, inner), keeps_zero(field)
    return expected, inner, keeps_zero(field)


def _value(field: Field) -> tuple[type | None, Convert | None]:
    match field.kind:
        case "string":
            return str, None
        case "bool":
            return bool, None
        case "int32":
            return int, _int32
        case "int64":
            return int, _int64
        case "struct":
            return dict, _struct(field.struct)
        case "quantity":
            return str, quantity.canonical_resource if field.container == "map" else quantity.canonical
        case "time":
            return str, time_text
        case "microtime":
            return str, micro_time_text
        case "bytes":
            return str, base64_text
        case "strings":
            return list, _list_of(str, None)
        case "intstr":
            return None, _int_or_string
        case "float":
            return None, _number
        case _:
            return None, None


def _list_of(expected: type | None, inner: Convert | None) -> Convert:
    def convert(items: Any) -> Any:  # Any: a list out of JSON
        for item in items:
            if expected is not None and item.__class__ is not expected:
                raise UnfitError
        return list(items) if inner is None else [inner(item) for item in items]

    return convert


def _map_of(expected: type | None, inner: Convert | None) -> Convert:
    def convert(items: Any) -> Any:  # Any: a dict out of JSON
        for item in items.values():
            if expected is not None and item.__class__ is not expected:
                raise UnfitError
        return dict(items) if inner is None else {key: inner(item) for key, item in items.items()}

    return convert


def _int32(value: int) -> int:
    if not _INT32[0] <= value <= _INT32[1]:
        raise UnfitError
    return value


def _int64(value: int) -> int:
    if not _INT64[0] <= value <= _INT64[1]:
        raise UnfitError
    return value


def _int_or_string(value: object) -> object:
    if value.__class__ is int:
        return _int32(value)
    if value.__class__ is not str:
        raise UnfitError
    return value


def _number(value: object) -> object:
    if value.__class__ not in (int, float):
        raise UnfitError
    return value


def time_text(text: str) -> str:
    """Return a time in UTC and whole seconds; an impossible one raises ValueError."""
    return text if _UTC_SECONDS.fullmatch(text) else time.format_time(time.parse_time(text))


def micro_time_text(text: str) -> str:
    """Return a time in UTC and microseconds; an impossible one raises ValueError."""
    return time.format_micro_time(time.parse_time(text))


def base64_text(text: str) -> str:
    """Return standard base64 without line breaks; raise ValueError if it is none."""
    try:
        data = base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    return base64.b64encode(data).decode()
