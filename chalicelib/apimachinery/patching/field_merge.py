"""Merge a configuration into an object, and take fields out of it.

Reference: structured-merge-diff/v6/typed (merge.go, remove.go).
"""

from __future__ import annotations

from chalicelib.apimachinery.patching.field_set import UNKNOWN, Shape, Tree, is_member, list_element, struct_shape
from chalicelib.apimachinery.patching.field_walk import MISSING, Value, index_items
from chalicelib.apimachinery.schema import Type
from chalicelib.apimachinery.types import JSON


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
        if not live and not config:
            return config
        merge = _ItemMerge(live, config or [], shape)
        while not merge.is_done:
            merge.step()
        return merge.merged
    if shape.kind != "list" and isinstance(live, dict) and isinstance(config, dict | None):
        if not live and not config:
            return config
        keys = [*live, *(key for key in config or {} if key not in live)]
        return {
            key: _merge(live.get(key, MISSING), (config or {}).get(key, MISSING), shape.child(key) or UNKNOWN)
            for key in keys
        }
    return config


class _ItemMerge:
    """Merges two lists by path element; the configuration's order wins, other items keep their places if possible.

    Both are walked side by side: `left` in the live one, `right` in the configuration's.
    """

    def __init__(self, live: list[Value], config: list[Value], shape: Shape) -> None:
        self.merged: list[Value] = []
        self._live = live
        self._inner = shape.element or UNKNOWN
        self._ours = [list_element(shape, item) for item in config]
        self._theirs = [list_element(shape, item) for item in live]
        self._wanted = dict(zip(self._ours, config, strict=True))
        self._known = index_items(live, shape)
        self._shared = iter([element for element in self._ours if element in self._known])
        self._next_shared = next(self._shared, None)
        self._done: set[str] = set()
        self._left = self._right = 0

    @property
    def is_done(self) -> bool:
        """Return whether both lists are at their ends."""
        return self._left >= len(self._theirs) and self._right >= len(self._ours)

    def step(self) -> None:
        """Take or pass over one item of either list."""
        has_left, has_right = self._left < len(self._theirs), self._right < len(self._ours)
        theirs = self._theirs[self._left] if has_left else None
        if has_left and has_right:
            if theirs == self._ours[self._right]:
                self._take(self._ours[self._right])
                self._left, self._right = self._left + 1, self._right + 1
                self._next_shared = next(self._shared, None)
                return
            if theirs in self._wanted and self._next_shared not in (None, theirs):
                self._left += 1  # shared, but not the one due now
                return
        if has_left:
            if theirs not in self._wanted:
                self.merged.append(self._live[self._left])
                self._left += 1
                return
            if theirs in self._done:
                self._left += 1
        if has_right:
            element = self._ours[self._right]
            self._take(element)
            if self._next_shared == element:
                self._next_shared = next(self._shared, None)
            self._right += 1

    def _take(self, element: str) -> None:
        before = self._known.get(element, MISSING)
        if self._theirs.count(element) > 1:  # repeated items are replaced, not merged
            before = MISSING
        self.merged.append(_merge(before, self._wanted[element], self._inner))
        self._done.add(element)


def remove(obj: JSON, fields: Tree, kind: Type) -> JSON:
    """Return `obj` without the members of `fields`; a part that loses all it had becomes null."""
    kept = _remove(obj, fields, struct_shape(kind))
    return kept if isinstance(kept, dict) else {}


def _remove(value: Value, fields: Tree, shape: Shape) -> Value:
    if not value or shape.kind == "leaf":
        return value if shape.scalar != "atomic" else None
    if isinstance(value, list):
        items = []
        for item in value:
            node = fields.get(list_element(shape, item))
            if node is None or not is_member(node):
                items.append(item if node is None else _remove(item, node, shape.element or UNKNOWN))
        return items or None
    kept = {}
    for key, item in value.items():
        node = fields.get(f"f:{key}")
        if node is None or not is_member(node):
            kept[key] = item if node is None else _remove(item, node, shape.child(key) or UNKNOWN)
    return kept or None


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
        named = shape is not None and shape.kind == "struct" and element.startswith("f:") and below is not None
        if named and inner and "." not in inner:
            inner["."] = {}
        out[element] = inner
    return out
