"""Kubernetes protobuf bodies to the JSON they stand for.

A body is the bytes `k8s\\0` and a runtime.Unknown, which names apiVersion and kind and holds the object's message.
Field numbers come from data that tools/protobuf_schema.py took out of a published kubectl. Fields we don't know are
skipped, as Go does. Reference: kubernetes.io/docs/reference/using-api/api-concepts, "Protobuf encoding" (v1.36);
protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from chalicelib.apimachinery.decoding.parsing import DecodeError
from chalicelib.apimachinery.rules.time import format_micro_time, format_time
from chalicelib.apimachinery.types import JSON

MAGIC = b"k8s\0"
_DATA = Path(__file__).parents[1] / "data" / "protobuf.json.gz"
_MAX_DEPTH = 100  # messages inside messages; the deepest kind nests some 15
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types
_SIZES = {_FIXED64: 8, _FIXED32: 4}
_NUMBERS = ("int32", "int64", "bool")  # kinds whose lists may be packed
_WRONG_PREFIX = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
_CUT_SHORT = "unexpected EOF"


class FieldRule(NamedTuple):
    """What to do with one field number of a message."""

    name: str  # in JSON; "" for a struct whose fields stand in the object itself
    kind: str  # string, bytes, bool, int32, int64 or message
    container: str  # "" for one value, "list" or "map"
    message: str  # of kind message: its name


def decode_protobuf(body: bytes) -> JSON:
    """Return the object of a body, with apiVersion and kind as its envelope has them. Raises DecodeError."""
    if not body.startswith(MAGIC):
        raise DecodeError(_WRONG_PREFIX)
    envelope = _numbered(body[len(MAGIC) :])
    type_meta = _numbered(_bytes(envelope.get(1, b"")))
    api_version, kind = _text(type_meta.get(1, b"")), _text(type_meta.get(2, b""))
    name = _messages()["kinds"].get(kind if kind == "DeleteOptions" else f"{api_version}/{kind}")
    obj: JSON = _message(_bytes(envelope.get(2, b"")), name, 0) if name else {}
    return {**obj, "apiVersion": api_version, "kind": kind}


def wire_fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Yield (field number, wire type, value) of a message, in the order of its bytes. Raises DecodeError."""
    position, end = 0, len(data)
    while position < end:
        tag, position = _varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise DecodeError(f"proto: illegal tag {number} (wire type {wire_type})")
        if wire_type == _VARINT:
            value, position = _varint(data, position)
            yield number, wire_type, value
            continue
        if wire_type == _BYTES:
            size, position = _varint(data, position)
        elif wire_type in _SIZES:
            size = _SIZES[wire_type]
        else:
            raise DecodeError(f"proto: illegal wireType {wire_type}")
        if size > end - position:
            raise DecodeError(_CUT_SHORT)
        yield number, wire_type, data[position : position + size]
        position += size


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise DecodeError(_CUT_SHORT)
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, position
    raise DecodeError("proto: integer overflow")


def _varints(data: bytes) -> Iterator[int]:
    position = 0
    while position < len(data):
        number, position = _varint(data, position)
        yield number


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise DecodeError("proto: wrong wireType = 0 for a field of bytes")
    return value


def _text(value: int | bytes) -> str:
    return _bytes(value).decode("utf-8", "replace")


def _signed(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise DecodeError("proto: wrong wireType = 2 for a number")
    return value - (1 << 64) if value >> 63 else value


@cache
def _messages() -> dict[str, Any]:  # Any: JSON of our own data file
    found: dict[str, Any] = json.loads(gzip.decompress(_DATA.read_bytes()))
    return found


@cache
def _rules(message: str) -> dict[int, FieldRule]:
    raw = _messages()["messages"][message]
    return {int(number): FieldRule(*rule) for number, rule in raw.items()}


def source() -> dict[str, str]:
    """Return the package that the field numbers were taken from, and its Kubernetes version."""
    found: dict[str, str] = _messages()["source"]
    return found


def _message(data: bytes, name: str, depth: int) -> Any:  # Any: JSON, not always an object
    special = _SPECIAL.get(name)
    if special:
        return special(data)
    if depth > _MAX_DEPTH:
        raise DecodeError("exceeded max depth")
    rules, found = _rules(name), {}
    for number, _, value in wire_fields(data):
        rule = rules.get(number)
        if rule is None:
            continue
        if not rule.name:
            found.update(_value(value, rule, depth))
        elif rule.container == "list":
            is_packed = rule.kind in _NUMBERS and isinstance(value, bytes)
            items = _varints(_bytes(value)) if is_packed else [value]
            found.setdefault(rule.name, []).extend(_value(item, rule, depth) for item in items)
        elif rule.container == "map":
            entry = _numbered(_bytes(value))
            item = entry.get(2, 0 if rule.kind in _NUMBERS else b"")
            found.setdefault(rule.name, {})[_text(entry.get(1, b""))] = _value(item, rule, depth)
        else:
            found[rule.name] = _value(value, rule, depth)
    return found


def _value(value: int | bytes, rule: FieldRule, depth: int) -> Any:  # Any: a value of JSON
    match rule.kind:
        case "string":
            return _text(value)
        case "bytes":
            return base64.b64encode(_bytes(value)).decode()
        case "bool":
            return bool(_signed(value))
        case "int32" | "int64":
            return _signed(value)
        case _:
            return _message(_bytes(value), rule.message, depth + 1)


def _numbered(data: bytes) -> dict[int, int | bytes]:
    return {number: value for number, _, value in wire_fields(data)}


def _time(data: bytes, write: Callable[[datetime], str]) -> str | None:
    fields = _numbered(data)
    if not fields:
        return None  # Go writes its zero time as an empty message
    seconds, nanos = _signed(fields.get(1, 0)), _signed(fields.get(2, 0))
    try:
        return write(_EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000))
    except OverflowError:
        raise DecodeError("proto: time out of range") from None


def _int_or_string(data: bytes) -> int | str:
    fields = _numbered(data)
    is_text = _signed(fields.get(1, 0)) == 1
    return _text(fields.get(3, b"")) if is_text else _signed(fields.get(2, 0))


def _raw_json(data: bytes) -> Any:  # Any: whatever the client put there
    raw = _bytes(_numbered(data).get(1, b""))
    try:
        return json.loads(raw) if raw else None
    except (ValueError, RecursionError):
        raise DecodeError("proto: raw JSON is broken") from None


def _strings(data: bytes) -> list[str]:
    return [_text(value) for number, _, value in wire_fields(data) if number == 1]


_SPECIAL: dict[str, Callable[[bytes], Any]] = {  # Any: JSON, not always an object
    "meta.v1.Time": lambda data: _time(data, format_time),
    "meta.v1.MicroTime": lambda data: _time(data, format_micro_time),
    "api.resource.Quantity": lambda data: _text(_numbered(data).get(1, b"")) or "0",
    "util.intstr.IntOrString": _int_or_string,
    "runtime.RawExtension": _raw_json,
    "meta.v1.FieldsV1": _raw_json,
    "authentication.v1.ExtraValue": _strings,
    "authorization.v1.ExtraValue": _strings,
}
SPECIAL_MESSAGES = frozenset(_SPECIAL)
