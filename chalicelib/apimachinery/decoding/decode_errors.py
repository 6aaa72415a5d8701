"""Objects that need more than the fast path of normalize: what is wrong with them, and what is left of them.

Messages are those of Go's JSON decoder as sigs.k8s.io/json (Kubernetes v1.36) runs it: the first field of a
wrong type, in the order of the document, and every unknown or repeated field with its path.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from chalicelib.apimachinery.decoding.gotext import quote
from chalicelib.apimachinery.decoding.normalize import NormalizeError, keeps_null, keeps_zero, normalize, value_rule
from chalicelib.apimachinery.decoding.parsing import DecodeError, Pairs
from chalicelib.apimachinery.schema import Field, Type
from chalicelib.apimachinery.types import JSON

MAX_COMPLAINTS = 100  # unknown and repeated fields reported; sigs.k8s.io/json stops there
_ZEROS: dict[str, object] = {
    "string": "",
    "bool": False,
    "int32": 0,
    "int64": 0,
    "float": 0,
    "quantity": "0",
    "bytes": "",
}
_GO_PARSES = {"time": "string", "microtime": "string", "intstr": "int32"}  # types with a decoder of their own


class Normalized(NamedTuple):
    """An object in the shape of its type, and complaints: `unknown field "spec.x"`, `duplicate field "spec"`."""

    value: JSON
    complaints: list[str]


def normalize_or_explain(value: object, kind: Type) -> Normalized:
    """Return `value` in the shape of its type, without fields that the type does not have.

    Raises DecodeError for the first value of a wrong type.
    """
    try:
        return Normalized(normalize(value, kind), [])
    except NormalizeError:
        return explain(value, kind)


def explain(value: object, kind: Type) -> Normalized:
    """Return the same by the slow walk alone, which also takes Pairs for objects."""
    complaints: dict[str, None] = {}  # a set in order
    shaped = _struct(value, kind, _Place("", kind.go_struct, (), complaints))
    return Normalized(shaped, list(complaints)[:MAX_COMPLAINTS])


def repeated_fields(value: object, path: str = "") -> list[str]:
    """Return complaints about the repeated fields of a value without a type."""
    found: list[str] = []
    if isinstance(value, dict | Pairs):
        seen: set[str] = set()
        for key, item in _items(value):
            below = f"{path}.{key}" if path else key
            found += [f"duplicate field {quote(below)}"] * (key in seen) + repeated_fields(item, below)
            seen.add(key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += repeated_fields(item, f"{path}[{index}]")
    return list(dict.fromkeys(found))


def json_kind(value: object) -> str:
    """Return the word that Go's decoder has for a JSON value that is not null, as in "cannot unmarshal array"."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, dict | Pairs) else "array"


@dataclass(frozen=True, slots=True)
class _Place:
    path: str  # spec.containers[0].name
    struct: str  # the Go struct around
    fields: tuple[str, ...]  # the names of fields down to here, without indexes
    complaints: dict[str, None]

    def element(self, path: str) -> _Place:
        return _Place(path, self.struct, self.fields, self.complaints)

    def mismatch(self, found: str, go_type: str) -> DecodeError:
        into = f"struct field {self.struct}.{'.'.join(self.fields)} of" if self.fields else "value of"
        return DecodeError(f"json: cannot unmarshal {found} into Go {into} type {go_type}")


def _items(value: dict[str, Any] | Pairs) -> Iterable[tuple[str, Any]]:  # Any: values out of JSON
    return value if isinstance(value, Pairs) else value.items()


def _struct(value: object, kind: Type, place: _Place, go_type: str = "") -> JSON:
    if value is None:
        return {}
    if not isinstance(value, dict | Pairs):
        raise place.mismatch(json_kind(value), go_type or kind.go_type)
    out: JSON = {}
    seen: set[str] = set()
    for key, item in _items(value):
        path = f"{place.path}.{key}" if place.path else key
        known = kind.fields.get(key)
        if known is None:
            place.complaints[f"unknown field {quote(path)}"] = None
            continue
        if key in seen:
            place.complaints[f"duplicate field {quote(path)}"] = None
        seen.add(key)
        shaped = _field(item, known, _Place(path, kind.go_struct, (*place.fields, key), place.complaints))
        if shaped or (keeps_zero(known) and item is not None):
            out[key] = shaped
        elif item is None and keeps_null(known):
            out[key] = None
        elif item is not None:
            out.pop(key, None)  # a repeated field that ends up empty
    return out


def _field(value: Any, known: Field, place: _Place) -> Any:  # Any: a value out of JSON
    if value is None or not known.container:
        return None if value is None else _one(value, known, place)
    if json_kind(value) != ("object" if known.container == "map" else "array"):
        raise place.mismatch(json_kind(value), known.go_type)
    if known.container == "list":
        return [_element(item, known, place.element(f"{place.path}[{index}]")) for index, item in enumerate(value)]
    out: JSON = {}
    for key, item in _items(value):
        path = f"{place.path}.{key}"
        if key in out:
            place.complaints[f"duplicate field {quote(path)}"] = None
        out[key] = _element(item, known, place.element(path))
    return out


def _element(value: Any, known: Field, place: _Place) -> Any:  # Any: a value out of JSON
    if value is not None:
        return _one(value, known, place)
    return {} if known.kind == "struct" else _ZEROS.get(known.kind)


def _one(value: Any, known: Field, place: _Place) -> Any:  # Any: a value out of JSON
    if known.kind == "struct":
        return _struct(value, known.struct, place, known.go_element)
    if known.kind == "strings" and isinstance(value, list):
        value = ["" if item is None else item for item in value]
    if known.kind == "quantity":
        value = value.strip() if isinstance(value, str) else number_text(value)
    expected, convert = value_rule(known)
    try:
        if expected in (None, value.__class__):
            return convert(value) if convert else value
    except NormalizeError:
        pass
    except ValueError as error:
        raise DecodeError(f"illegal base64 data: {error}" if known.kind == "bytes" else str(error)) from None
    found = json_kind(value)
    if found == "number" and known.kind in ("int32", "int64", "intstr"):
        found = f"number {number_text(value)}"
    raise place.mismatch(found, _GO_PARSES.get(known.kind, known.go_element))


def number_text(value: object) -> str:
    """Return a JSON number as a document may have had it; anything else as no number at all."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "?"
    if isinstance(value, float) and math.isfinite(value) and value == int(value) and abs(value) < 1e21:
        return f"{value:.1f}"
    return repr(value)
