"""How values merge and who can own them: the schema as structured-merge-diff sees it.

A leaf changes hands as a whole: a scalar, an atomic list, map or struct, raw JSON. Structs, granular maps and lists
by key or by value are owned element by element. Reference: sigs.k8s.io/structured-merge-diff/v6 (Kubernetes v1.36).
"""

from __future__ import annotations

import json
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
