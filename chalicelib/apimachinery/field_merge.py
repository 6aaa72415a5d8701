"""Merge a configuration into an object, and take fields out of it.

Reference: structured-merge-diff/v6/typed (merge.go, remove.go).
"""

from __future__ import annotations

from chalicelib.apimachinery.field_set import Tree, is_member
from chalicelib.apimachinery.field_walk import MISSING, Value, index_items
from chalicelib.apimachinery.schema import Type
from chalicelib.apimachinery.shape import (
    UNKNOWN,
    Shape,
    list_element,
    struct_shape,
)
from chalicelib.apimachinery.status import JSON


def merge(live: JSON, config: JSON, kind: Type) -> JSON:
    """Return `live` with what `config` says put over it: leaves replaced, the rest element by element."""
    merged: JSON = _merge(live, config, struct_shape(kind))
    return merged if isinstance(merged, dict) else {}


def _merge(live: Value, config: Value, shape: Shape) -> Value:
    if config is MISSING:
        return live
    if live is MISSING or live is None or shape.kind == "leaf":
        return config
    if shape.kind == "list" and isinstance(live, list) and isinstance(config, list | None):
        return _merge_items(live, config or [], shape) if live or config else config
    if shape.kind != "list" and isinstance(live, dict) and isinstance(config, dict | None):
        if not live and not config:
            return config
        keys = [*live, *(key for key in config or {} if key not in live)]
        return {
            key: _merge(live.get(key, MISSING), (config or {}).get(key, MISSING), shape.child(key) or UNKNOWN)
            for key in keys
        }
    return config


def _merge_items(live: list[Value], config: list[Value], shape: Shape) -> list[Value]:
    """Merge by path element; the configuration's order wins, the other items keep their places as well as can be."""
    ours = [list_element(shape, item) for item in config]
    theirs = [list_element(shape, item) for item in live]
    wanted = dict(zip(ours, config, strict=True))
    known = index_items(live, shape)
    shared = iter([element for element in ours if element in known])
    next_shared = next(shared, None)
    inner = shape.element or UNKNOWN
    merged: list[Value] = []
    done: set[str] = set()
    left, right = 0, 0

    def take(element: str) -> None:
        before = known.get(element, MISSING)
        before = MISSING if theirs.count(element) > 1 else before  # repeated items are replaced, not merged
        merged.append(_merge(before, wanted[element], inner))
        done.add(element)

    while left < len(theirs) or right < len(ours):
        if left < len(theirs) and right < len(ours):
            if theirs[left] == ours[right]:
                take(ours[right])
                left, right = left + 1, right + 1
                next_shared = next(shared, None)
                continue
            if theirs[left] in wanted and next_shared not in (None, theirs[left]):
                left += 1  # shared, but not the one due now
                continue
        if left < len(theirs):
            if theirs[left] not in wanted:
                merged.append(live[left])
                left += 1
                continue
            if theirs[left] in done:
                left += 1
        if right < len(ours):
            take(ours[right])
            if next_shared == ours[right]:
                next_shared = next(shared, None)
            right += 1
    return merged


def remove(obj: JSON, fields: Tree, kind: Type) -> JSON:
    """Return `obj` without the members of `fields`; a part that loses all it had becomes null."""
    kept = _remove(obj, fields, struct_shape(kind))
    return kept if isinstance(kept, dict) else {}


def _remove(value: Value, fields: Tree, shape: Shape) -> Value:
    if not value or shape.kind == "leaf":
        return value if shape.scalar != "atomic" else None
    if isinstance(value, list):
        return _remove_items(value, fields, shape) or None
    kept = {}
    for key, item in value.items():
        node = fields.get(f"f:{key}")
        if node is None:
            kept[key] = item
        elif not is_member(node):
            kept[key] = _remove(item, node, shape.child(key) or UNKNOWN)
    return kept or None


def _remove_items(items: list[Value], fields: Tree, shape: Shape) -> list[Value]:
    kept = []
    for item in items:
        node = fields.get(list_element(shape, item))
        if node is None:
            kept.append(item)
        elif not is_member(node):
            kept.append(_remove(item, node, shape.element or UNKNOWN))
    return kept


def with_named_parents(fields: Tree, kind: Type) -> Tree:
    """Return `fields` with every struct field on the way to a member made a member too."""
    return _with_named_parents(fields, struct_shape(kind))


def _with_named_parents(fields: Tree, shape: Shape | None) -> Tree:
    out: Tree = {}
    for element, node in fields.items():
        if element == ".":
            out["."] = {}
            continue
        if element.startswith("f:"):
            below = shape.child(element[2:]) if shape else None
        else:
            below = shape.element if shape and shape.kind == "list" else None
        inner = _with_named_parents(node, below)
        named = (
            shape is not None and shape.kind == "struct" and element.startswith("f:") and below is not None
        )
        if named and inner and "." not in inner:
            inner["."] = {}
        out[element] = inner
    return out
