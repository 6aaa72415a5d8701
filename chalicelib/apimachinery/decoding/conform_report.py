"""The slow walk over an object that does not fit its type: what to say of it, and what is left of it.

Messages are those of Go's JSON decoder as sigs.k8s.io/json (Kubernetes v1.36) runs it: the first field of a
wrong type, in the order of the document, and every unknown or repeated field with its path.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from chalicelib.apimachinery.decoding import conform
from chalicelib.apimachinery.decoding.gotext import quote
from chalicelib.apimachinery.rules import quantity
from chalicelib.apimachinery.schema import Field, Type
from chalicelib.apimachinery.types import JSON

MAX_COMPLAINTS = 100  # unknown and repeated fields told of; sigs.k8s.io/json stops there
_ZEROS: dict[str, object] = {
    "string": "",
    "bool": False,
    "int32": 0,
    "int64": 0,
    "float": 0,
    "quantity": "0",
    "bytes": "",
}
_TIME_LAYOUTS = {"time": "2006-01-02T15:04:05Z07:00", "microtime": "2006-01-02T15:04:05.000000Z07:00"}


class Pairs(list[tuple[str, Any]]):  # Any: values out of JSON
    """An object of a JSON document with its fields in order, repeated ones too."""


@dataclass(slots=True)
class Report:
    """What came of an object: what is left of it, and what was wrong with it."""

    value: JSON = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)  # `unknown field "spec.x"`, `duplicate field "spec"`
    error: str = ""  # the decoder's refusal, if any

    def complain(self, text: str) -> None:
        """Add a complaint unless it was made already or there are too many."""
        if len(self.complaints) < MAX_COMPLAINTS and text not in self.complaints:
            self.complaints.append(text)

    def refuse(self, text: str) -> None:
        """Keep the first refusal."""
        self.error = self.error or text


class _FatalError(Exception):
    """What a type's own decoder refuses: Go stops there and forgets milder refusals before it."""


@dataclass(frozen=True, slots=True)
class _Place:
    path: str  # spec.containers[0].name
    struct: str  # the Go struct around
    fields: tuple[str, ...]  # the names of fields down to here, without indexes

    def mismatch(self, found: str, go_type: str) -> str:
        if not self.fields:
            return f"json: cannot unmarshal {found} into Go value of type {go_type}"
        where = ".".join(self.fields)
        return f"json: cannot unmarshal {found} into Go struct field {self.struct}.{where} of type {go_type}"


def report(value: object, kind: Type) -> Report:
    """Walk `value` (dicts or Pairs for objects) as a document of that type. Never raises for its content."""
    result = Report()
    try:
        shaped = _Walk(result).struct(value, kind, _Place("", kind.go_struct, ()))
    except _FatalError as error:
        result.error = str(error)
    else:
        result.value = shaped
    return result


def json_kind(value: object) -> str:
    """Return the word that Go's decoder has for a JSON value that is not null, as in "cannot unmarshal array"."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, dict | Pairs) else "array"


def _items(value: dict[str, Any] | Pairs) -> Iterable[tuple[str, Any]]:  # Any: values out of JSON
    return value if isinstance(value, Pairs) else value.items()


def plain(value: Any) -> Any:  # Any: JSON with Pairs in it, and without
    """Return JSON with plain dicts for its objects; of repeated fields the last one counts."""
    if isinstance(value, Pairs | dict):
        return {key: plain(item) for key, item in _items(value)}
    return [plain(item) for item in value] if isinstance(value, list) else value


class _Walk:
    def __init__(self, result: Report) -> None:
        self._report = result

    def struct(self, value: object, kind: Type, place: _Place) -> JSON:
        """Return the fields of `value` that the type has."""
        if value is None:
            return {}
        if not isinstance(value, dict | Pairs):
            self._report.refuse(place.mismatch(json_kind(value), kind.go_type))
            return {}
        out: JSON = {}
        seen: set[str] = set()
        for key, item in _items(value):
            path = f"{place.path}.{key}" if place.path else key
            known = kind.fields.get(key)
            if known is None:
                self._report.complain(f"unknown field {quote(path)}")
                continue
            if key in seen:
                self._report.complain(f"duplicate field {quote(path)}")
            seen.add(key)
            shaped = self._field(item, known, _Place(path, kind.go_struct, (*place.fields, key)))
            if shaped or (conform.keeps_zero(known) and item is not None):
                out[key] = shaped
            elif item is None and conform.keeps_null(known):
                out[key] = None
            elif item is not None:
                out.pop(key, None)  # a repeated field that ends up empty
        return out

    def _field(self, value: Any, known: Field, place: _Place) -> Any:  # Any: a value out of JSON
        if value is None:
            return None
        if known.container == "list":
            if not isinstance(value, list) or isinstance(value, Pairs):
                self._report.refuse(place.mismatch(json_kind(value), known.go_type))
                return []
            return [
                self._element(item, known, _Place(f"{place.path}[{index}]", place.struct, place.fields))
                for index, item in enumerate(value)
            ]
        if known.container == "map":
            return self._map(value, known, place)
        return self._one(value, known, place)

    def _map(self, value: Any, known: Field, place: _Place) -> Any:  # Any: a value out of JSON
        if not isinstance(value, dict | Pairs):
            self._report.refuse(place.mismatch(json_kind(value), known.go_type))
            return {}
        out: JSON = {}
        for key, item in _items(value):
            path = f"{place.path}.{key}"
            if key in out:
                self._report.complain(f"duplicate field {quote(path)}")
            out[key] = self._element(item, known, _Place(path, place.struct, place.fields))
        return out

    def _element(self, value: Any, known: Field, place: _Place) -> Any:  # Any: a value out of JSON
        if value is not None:
            return self._one(value, known, place)
        return {} if known.kind == "struct" else _ZEROS.get(known.kind)

    def _one(self, value: Any, known: Field, place: _Place) -> Any:  # Any: a value out of JSON
        match known.kind:
            case "struct":
                kind = known.struct
                if isinstance(value, dict | Pairs):
                    return self.struct(value, kind, place)
                self._report.refuse(place.mismatch(json_kind(value), known.go_element))
                return {}
            case "string" | "bool" if json_kind(value) == known.kind:
                return value
            case "int32" | "int64" | "float" if json_kind(value) == "number":
                return self._number(value, known, place)
            case "raw":
                return plain(value)
            case "bytes" if isinstance(value, str):
                return self._bytes(value)
            case "strings" if isinstance(value, list) and not isinstance(value, Pairs):
                return self._strings(value, place)
            case "quantity":
                return self._quantity(value, known)
            case "time" | "microtime":
                return self._time(value, known, place)
            case "intstr":
                return self._int_or_string(value, place)
        self._report.refuse(place.mismatch(json_kind(value), known.go_element))
        return _ZEROS.get(known.kind)

    def _number(self, value: float, known: Field, place: _Place) -> object:
        if known.kind == "float":
            return value
        bits = 31 if known.kind == "int32" else 63
        if isinstance(value, int) and -(1 << bits) <= value < 1 << bits:
            return value
        self._report.refuse(place.mismatch(f"number {number_text(value)}", known.go_element))
        return 0

    def _bytes(self, value: str) -> str:
        try:
            return conform.base64_text(value)
        except ValueError:
            self._report.refuse(f"illegal base64 data at input byte {base64_fault(value)}")
            return ""

    def _strings(self, value: list[Any], place: _Place) -> list[str]:  # Any: values out of JSON
        for item in value:
            if item is not None and not isinstance(item, str):
                self._report.refuse(place.mismatch(json_kind(item), "string"))
        return [item if isinstance(item, str) else "" for item in value]

    def _quantity(self, value: object, known: Field) -> str:
        text = value.strip() if isinstance(value, str) else number_text(value)
        try:
            return quantity.canonical_resource(text) if known.container == "map" else quantity.canonical(text)
        except ValueError as error:
            raise _FatalError(str(error)) from None

    def _time(self, value: object, known: Field, place: _Place) -> str:
        if not isinstance(value, str):
            raise _FatalError(place.mismatch(json_kind(value), "string"))
        try:
            return conform.time_text(value) if known.kind == "time" else conform.micro_time_text(value)
        except ValueError:
            layout = _TIME_LAYOUTS[known.kind]
            year = quote(value)
            raise _FatalError(f'parsing time {year} as "{layout}": cannot parse {year} as "2006"') from None

    def _int_or_string(self, value: object, place: _Place) -> object:
        if isinstance(value, str):
            return value
        if isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**31:
            return value
        found = json_kind(value)
        found = f"number {number_text(value)}" if found == "number" else found
        raise _FatalError(place.mismatch(found, "int32"))


def number_text(value: object) -> str:
    """Return a JSON number as a document may have had it; anything else as no number at all."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "?"
    if isinstance(value, float) and math.isfinite(value) and value == int(value) and abs(value) < 1e21:
        return f"{value:.1f}"
    return repr(value)


_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def base64_fault(text: str) -> int:
    """Return the offset at which Go's base64 decoder gives up on `text`."""
    inside = 0  # characters of the current group of four
    for offset, char in enumerate(text):
        if char in "\r\n":
            continue
        if char in _BASE64:
            inside = (inside + 1) % 4
            continue
        if char != "=" or inside < 2:
            return offset
        return _padding_fault(text, offset + 1, pads=4 - inside - 1)
    return len(text) - inside


def _padding_fault(text: str, start: int, *, pads: int) -> int:
    """Return where the end of a padded text goes wrong, `pads` further `=` being due from `start` on."""
    for offset in range(start, len(text)):
        if text[offset] in "\r\n":
            continue
        if not pads or text[offset] != "=":
            return offset - 1 if pads else offset
        pads -= 1
    return len(text)
