"""Walks over objects by the shape of their fields: which fields an object has, and how two objects differ.

Reference: structured-merge-diff/v6/typed (tofieldset.go, compare.go).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from chalicelib.apimachinery.patching.field_set import UNKNOWN, Path, Shape, list_element, struct_shape
from chalicelib.apimachinery.schema import Type
from chalicelib.apimachinery.types import JSON

Value = Any  # a value out of JSON, or MISSING


class _Missing:
    """Not there at all, where None is an explicit null."""


MISSING = _Missing()


def field_set(obj: JSON, kind: Type) -> set[Path]:
    """Return the fields that a configuration sets, as apply owns them."""
    found: set[Path] = set()
    _collect(obj, struct_shape(kind), (), found)
    return found


def _collect(value: Value, shape: Shape, path: Path, found: set[Path]) -> None:
    if shape.kind == "leaf":
        found.add(path)
    elif shape.kind == "list" and isinstance(value, list):
        elements = [list_element(shape, item) for item in value]
        for element, item in zip(elements, value, strict=True):
            child = (*path, element)
            if elements.count(element) == 1:
                _collect(item, shape.element or UNKNOWN, child, found)
            found.add(child)
    elif shape.kind != "list" and isinstance(value, dict):
        for key, item in value.items():
            child = (*path, f"f:{key}")
            _collect(item, shape.child(key) or UNKNOWN, child, found)
            if item is None or item == {} or shape.kind == "map":
                found.add(child)


@dataclass(slots=True)
class Comparison:
    """How a new object differs from an old one, field by field."""

    added: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)
    modified: list[Path] = field(default_factory=list)

    def changed(self) -> Iterator[Path]:
        """Yield what was added or modified."""
        yield from self.added
        yield from self.modified


def compare(old: JSON, new: JSON, kind: Type) -> Comparison:
    """Return the differences between two objects of a kind, `old` being {} for a new one.

    Raises ValueError for list items without their key.
    """
    result = Comparison()
    _compare(old, new, struct_shape(kind), (), result)
    return result


def _compare(old: Value, new: Value, shape: Shape, path: Path, result: Comparison) -> None:
    if old == new or (old in (MISSING, None) and new in (MISSING, None)):
        return  # what Go writes as null or leaves out is the same field: unset
    container = list if shape.kind == "list" else dict
    fits = all(value is MISSING or value is None or isinstance(value, container) for value in (old, new))
    are_empty = all(value is MISSING or not value for value in (old, new))
    if shape.kind == "leaf" or not fits or are_empty:
        _record(old, new, path, result, is_leaf=True)
        return
    if shape.kind == "list":
        before, after = index_items(old, shape), index_items(new, shape)
        for key in after.keys() | before.keys():
            inner = shape.element or UNKNOWN
            _compare(before.get(key, MISSING), after.get(key, MISSING), inner, (*path, key), result)
    else:
        always = always_there(shape.type) if shape.type else {}
        before = {**always, **old} if isinstance(old, dict) else {}
        after = {**always, **new} if isinstance(new, dict) else {}
        for key in after.keys() | before.keys():
            inner = shape.child(key) or UNKNOWN
            _compare(before.get(key, MISSING), after.get(key, MISSING), inner, (*path, f"f:{key}"), result)
    _record(old, new, path, result, is_leaf=False)


def _record(old: Value, new: Value, path: Path, result: Comparison, *, is_leaf: bool) -> None:
    if old is MISSING:
        result.added.append(path)
    elif new is MISSING:
        result.removed.append(path)
    elif is_leaf:
        result.modified.append(path)


_ZEROS: dict[str, object] = {"string": "", "bool": False, "int32": 0, "int64": 0}


@cache
def always_there(kind: Type) -> JSON:
    """Return the fields that an object in Go has even when unset: parts as {}, the rest as null or zero."""
    found: JSON = {}
    for part in kind.fields.values():
        if part.is_always_there and part.name not in ("kind", "apiVersion"):
            zero = {} if part.kind == "struct" else _ZEROS.get(part.kind)
            found[part.name] = None if part.container else zero
    return found


def index_items(items: Value, shape: Shape) -> dict[str, Value]:
    """Return a list's items by their path elements; of repeated ones the list of them all."""
    found: dict[str, Value] = {}
    repeated: dict[str, list[Value]] = {}
    for item in items if isinstance(items, list) else []:
        element = list_element(shape, item)
        if element in found:
            repeated.setdefault(element, [found[element]]).append(item)
        else:
            found[element] = item
    return {**found, **repeated}
