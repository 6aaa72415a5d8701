"""The fields that the creator of an object sets, in one walk: what comparing {} with the object finds, but fast.

Creating pods is the hottest write there is, and needs no comparison with anything.
"""

from __future__ import annotations

from typing import Any

from chalicelib.apimachinery.patching.field_set import Tree
from chalicelib.apimachinery.patching.field_walk import always_there
from chalicelib.apimachinery.patching.shape import UNKNOWN, Shape, list_element, struct_shape
from chalicelib.apimachinery.schema import Type
from chalicelib.apimachinery.types import JSON

Value = Any  # a value out of JSON


def created_fields(obj: JSON, kind: Type, *, without: frozenset[str]) -> Tree:
    """Return the fields of a new object as fieldsV1 has them, in order; `without` names top-level fields to pass over.

    Raises ValueError for list items without their key.
    """
    shape = struct_shape(kind)
    return _part(obj, shape, without)


def _part(value: JSON, shape: Shape, without: frozenset[str] = frozenset()) -> Tree:
    """Return the fields of a part that is never absent, and so is not set by being there itself."""
    always = always_there(shape.type) if shape.type else {}
    tree: Tree = {}
    for key in sorted(value):
        item = value[key]
        if key in without or item is None:
            continue
        zero = always.get(key, _UNSET)
        inner = shape.child(key) or UNKNOWN
        if zero is _UNSET:
            tree[f"f:{key}"] = _new(item, inner)
        elif inner.kind == "leaf":
            if item != zero:
                tree[f"f:{key}"] = {}
        elif item:
            below = _items(item, inner) if inner.kind == "list" else _part(item, inner)
            if below:
                tree[f"f:{key}"] = below
        elif item != zero:  # an empty list where Go has null
            tree[f"f:{key}"] = {}
    return tree


_UNSET = object()


def _new(value: Value, shape: Shape) -> Tree:
    """Return the fields of a value that was not there before: itself, and all inside."""
    if not value or shape.kind == "leaf":
        return {}
    if shape.kind == "list":
        return {".": {}, **_items(value, shape)} if isinstance(value, list) else {}
    if not isinstance(value, dict):
        return {}
    tree: Tree = {".": {}}
    if shape.type:
        value = {**always_there(shape.type), **value}
    for key in sorted(value):
        if value[key] is not None:
            tree[f"f:{key}"] = _new(value[key], shape.child(key) or UNKNOWN)
    return tree if len(tree) > 1 else {}


def _items(items: list[Value], shape: Shape) -> Tree:
    inner = shape.element or UNKNOWN
    found: dict[str, Tree] = {}
    for item in items:
        element = list_element(shape, item)
        found[element] = {} if element in found else _new(item, inner)
    return dict(sorted(found.items()))
