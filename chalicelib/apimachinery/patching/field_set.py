"""Sets of fields in the form that managedFields holds them (fieldsV1), and what is done with them.

A tree of dicts: {"f:spec": {"f:containers": {"k:{...}": {".": {}, "f:image": {}}}}}. A node is a member itself if it is
empty or has the key "."; its other keys are children. Reference: structured-merge-diff/v6/fieldpath/serialize.go.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from json.encoder import encode_basestring
from typing import Any, Literal

from chalicelib.apimachinery.schema import Field, Type

Path = tuple[str, ...]  # elements as fieldsV1 writes them: f:spec, k:{"name":"c"}, v:"x"


@dataclass(frozen=True, eq=False, slots=True)
class Shape:
    """One kind of value."""

    kind: Literal["leaf", "struct", "map", "list"]
    scalar: str = ""  # of a leaf: what the schema says it is (Field.kind), "atomic" for containers and structs
    type: Type | None = None  # of a struct
    element: Shape | None = None  # of a map or list
    keys: tuple[str, ...] = ()  # of a list of structs by key; none for a set of scalars
    field: Field | None = None  # the list's field, for defaults of keys

    def child(self, key: str) -> Shape | None:
        """Return the shape of a struct's field or a map's value; None for a field that the struct does not have."""
        if self.type is None:
            return self.element
        field = self.type.fields.get(key)
        return field_shape(field) if field else None


_ENCODE = json.JSONEncoder(separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode
ATOMIC = Shape("leaf", "atomic")
UNKNOWN = Shape("leaf", "raw")


@cache
def struct_shape(kind: Type) -> Shape:
    """Return the shape of an object or a part of one."""
    return ATOMIC if kind.is_atomic else Shape("struct", type=kind)


@cache
def _leaf(scalar: str) -> Shape:
    return Shape("leaf", scalar)


@cache
def field_shape(field: Field) -> Shape:
    """Return the shape of a field's value."""
    value = struct_shape(field.struct) if field.kind == "struct" else _leaf(field.kind)
    if field.container == "map":
        return ATOMIC if field.is_atomic_map else Shape("map", element=value)
    if field.container == "list":
        if field.list_type not in ("map", "set"):
            return ATOMIC
        return Shape("list", element=value, keys=field.list_keys, field=field)
    return value


def list_element(shape: Shape, item: Any) -> str:  # Any: a value out of JSON
    """Return the path element of a list's item. Raises ValueError, worded as structured-merge-diff, if it has none."""
    if not shape.keys:
        if isinstance(item, dict):
            raise ValueError("associative list without keys has an element that's a map type")
        if isinstance(item, list):
            raise ValueError("not supported: associative list with lists as elements")
        if item is None:
            raise ValueError("associative list without keys has an element that's an explicit null")
        return "v:" + (encode_basestring(item) if isinstance(item, str) else compact(item))
    if item is None:
        raise ValueError("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise ValueError("associative list with keys may not have non-map elements")
    only = item.get(shape.keys[0]) if len(shape.keys) == 1 else None
    if isinstance(only, str):  # nearly every list: by name
        return f'k:{{"{shape.keys[0]}":{encode_basestring(only)}}}'
    key = {}
    for name in shape.keys:
        value = item.get(name)
        if value is None and shape.field is not None:
            value = shape.field.key_default(name)
        if value is None and name not in item:
            text = f'associative list with keys has an element that omits key field "{name}"'
            raise ValueError(f"{text} (and doesn't have default value)")
        key[name] = value
    return "k:" + compact(key)


def compact(value: Any) -> str:  # Any: a value out of JSON
    """Return JSON without spaces, keys sorted."""
    return _ENCODE(value)


def path_text(path: Path) -> str:
    """Return a path as messages name it: `.spec.containers[name="c"].image`."""
    return "".join(map(element_text, path))


def element_text(element: str) -> str:
    """Return one element of a path as messages name it."""
    kind, text = element[:2], element[2:]
    if kind == "f:":
        return f".{text}"
    if kind == "v:":
        return f"[={text}]"
    if kind == "k:":
        pairs = json.loads(text)
        return "[" + ",".join(f"{name}={compact(value)}" for name, value in sorted(pairs.items())) + "]"
    return f"[{text}]"


Tree = dict[str, Any]  # a tree of dicts all the way down: mypy knows no recursive dict


def is_member(node: Tree) -> bool:
    """Return whether a node stands for its own path, not only for what lies below."""
    return not node or "." in node


def contains(tree: Tree, path: Path) -> bool:
    """Return whether a path is a member."""
    node = tree
    for element in path:
        if element not in node:
            return False
        node = node[element]
    return is_member(node)


def insert(tree: Tree, path: Path) -> None:
    """Make a path a member, in place."""
    node = tree
    for depth, element in enumerate(path):
        below = node.get(element)
        if below is None:
            if depth and not node:
                node["."] = {}  # it was a member by being empty
            below = node[element] = {}
            fresh = True
        else:
            fresh = False
        node = below
        if fresh and depth < len(path) - 1:
            for rest in path[depth + 1 :]:
                node[rest] = {}
                node = node[rest]
            return
    if node:
        node["."] = {}


def discard(tree: Tree, path: Path) -> None:
    """Make a path no member any more, in place; what lies below it stays."""
    nodes = [tree]
    for element in path:
        if element not in nodes[-1]:
            return
        nodes.append(nodes[-1][element])
    last = nodes[-1]
    if last and "." not in last:
        return
    last.pop(".", None)
    if last:
        return
    _prune(nodes, path)


def discard_below(tree: Tree, path: Path) -> None:
    """Take a path and everything below it out, in place."""
    nodes = [tree]
    for element in path:
        if element not in nodes[-1]:
            return
        nodes.append(nodes[-1][element])
    _prune(nodes, path)


def _prune(nodes: list[Tree], path: Path) -> None:
    """Cut the last node off, and every parent that this leaves without children and that was no member."""
    for depth in range(len(path), 0, -1):
        parent = nodes[depth - 1]
        del parent[path[depth - 1]]
        if parent.keys() - {"."} or depth == 1:
            return
        if "." in parent:
            del parent["."]  # alone now, and a member by being empty
            return


def members(tree: Tree, prefix: Path = ()) -> Iterator[Path]:
    """Yield all members, a node before what lies below it, in the order of structured-merge-diff."""
    for element in sorted(tree):
        if element != "." and is_member(tree[element]):
            yield (*prefix, element)
    for element in sorted(tree):
        if element != ".":
            yield from members(tree[element], (*prefix, element))


def tree_of(paths: Iterable[Path]) -> Tree:
    """Return the tree whose members are `paths`."""
    tree: Tree = {}
    for path in paths:
        insert(tree, path)
    return tree


def sorted_tree(tree: Tree) -> Tree:
    """Return the same tree with its keys in order, as a real server writes them."""
    return {element: sorted_tree(tree[element]) for element in sorted(tree)}


def is_tree(value: object) -> bool:
    """Return whether a value that a client sent is such a tree."""
    return isinstance(value, dict) and all(is_tree(node) for node in value.values())
