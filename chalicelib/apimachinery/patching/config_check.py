"""What keeps a configuration from being applied: undeclared fields, wrong types, items without a key or twice the same.

Reference: structured-merge-diff/v6/typed/validate.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chalicelib.apimachinery.decoding.gotext import plain_value
from chalicelib.apimachinery.patching.field_set import compact, element_text, field_shape, list_element
from chalicelib.apimachinery.schema import Field, Type
from chalicelib.apimachinery.types import JSON

Value = Any  # a value out of JSON
Problems = Iterator[tuple[str, str]]  # path and text

_SCALARS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "bytes": (str,),
    "time": (str,),
    "microtime": (str,),
    "bool": (bool,),
    "int32": (int, float),
    "int64": (int, float),
    "float": (int, float),
    "quantity": (str, int, float, bool),
    "intstr": (str, int, float, bool),
}


def find_problem(config: JSON, kind: Type) -> str:
    """Return why a configuration of that kind cannot be applied, "" if it can: one line, or a list under `errors:`."""
    found = [f"{path}: {text}" if path else text for path, text in _struct(config, kind, "")]
    if len(found) <= 1:
        return "".join(found)
    return "\n".join(["errors:", *(f"  {line}" for line in found)])


def _struct(value: Value, kind: Type, path: str) -> Problems:
    if value is None:
        return
    if not isinstance(value, dict):
        yield path, f"expected map, got {_shown(value)}"
        return
    for key, item in value.items():
        known = kind.fields.get(key)
        if known is None:
            yield f"{path}.{key}", "field not declared in schema"
            return  # the walk over this struct ends there, as in Go
        yield from _field(item, known, f"{path}.{key}")


def _field(value: Value, known: Field, path: str) -> Problems:
    if value is None:
        return
    if not known.container:
        yield from _one(value, known, path)
    elif not isinstance(value, list if known.container == "list" else dict):
        yield path, f"expected {known.container}, got {_shown(value)}"
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _one(item, known, f"{path}.{key}")
    else:
        yield from _items(value, known, path)


def _items(items: list[Value], known: Field, path: str) -> Problems:
    shape = field_shape(known)
    seen: set[str] = set()
    for index, item in enumerate(items):
        if shape.kind == "leaf":
            yield from _one(item, known, f"{path}[{index}]")
            continue
        try:
            element = list_element(shape, item)
        except ValueError as error:
            yield path, f"element {index}: {error}"
            return
        if element in seen:
            yield path, f"duplicate entries for key {element_text(element)}"
        seen.add(element)
        yield from _one(item, known, path + element_text(element))


def _one(value: Value, known: Field, path: str) -> Problems:
    if known.kind == "struct":
        yield from _struct(value, known.struct, path)
        return
    wanted = _SCALARS.get(known.kind)
    if value is None or wanted is None:
        return
    if isinstance(value, wanted) and (bool in wanted or not isinstance(value, bool)):
        return
    if wanted == (str,):
        shown = f"{_go_type(value)}{compact(value)}" if isinstance(value, dict | list) else compact(value)
        yield path, f"expected string, got &value.valueUnstructured{{Value:{shown}}}"
    elif wanted == (bool,):
        yield path, f"expected boolean, got {_shown(value)}"
    elif str in wanted:
        yield path, f"expected any scalar, got {_shown(value)}"
    else:
        yield path, f"expected numeric (int or float), got {_go_type(value)}"


def _shown(value: Value) -> str:
    return f"&{{{plain_value(value)}}}"


def _go_type(value: Value) -> str:
    if isinstance(value, dict):
        return "map[string]interface {}"
    return "[]interface {}" if isinstance(value, list) else "bool" if isinstance(value, bool) else "string"
