"""Structural schemas as types: what server-side apply and managedFields need to know of custom resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chalicelib.apimachinery.schema import Field, Type, named_type
from chalicelib.apimachinery.structural import (
    INT_OR_STRING,
    LIST_KEYS,
    LIST_TYPE,
    MAP_TYPE,
    PRESERVES,
    TYPE_FIELDS,
    values_schema,
)
from chalicelib.apimachinery.types import JSON

_SCALARS = {"string": "string", "integer": "float", "number": "float", "boolean": "bool"}


@dataclass(frozen=True, slots=True)
class InlineField(Field):
    """A field whose struct is its own, not one with a name."""

    inline: Type | None = None

    @property
    def struct(self) -> Type:
        """The type of one value; only where kind is struct."""
        return self.inline or named_type(self.ref)


class _OpenFields(dict[str, Field]):
    """The fields of a type that may have others too: those are any JSON."""

    def get(self, key: str, default: Any = None) -> Any:  # Any: as dict.get is declared
        del default
        return self[key] if key in self else _field(key, {PRESERVES: True})


def type_of(name: str, schema: JSON) -> Type:
    """Return the type of a custom resource whose version has that schema."""
    own = {key: value for key, value in (schema.get("properties") or {}).items() if key not in TYPE_FIELDS}
    fields = _fields({**schema, "properties": own})
    for key in ("apiVersion", "kind"):
        fields[key] = _field(key, {"type": "string"})
    fields["metadata"] = _new_field("metadata", "struct", named_type("meta.v1.ObjectMeta"))
    return Type(name, fields, is_atomic=False)


def _fields(schema: JSON) -> dict[str, Field]:
    fields: dict[str, Field] = {key: _field(key, each) for key, each in (schema.get("properties") or {}).items()}
    return _OpenFields(fields) if schema.get(PRESERVES) else fields


def _field(name: str, schema: JSON) -> Field:
    wanted = schema.get("type")
    if wanted == "array":
        kind, inline = _element(schema.get("items") or {})
        keys = tuple(schema.get(LIST_KEYS) or ())
        list_type = schema.get(LIST_TYPE, "atomic")
        return _new_field(name, kind, inline, "list", list_type=list_type, list_keys=keys)
    of_values = values_schema(schema)
    if wanted == "object" and of_values is not None:
        kind, inline = _element(of_values)
        is_atomic = schema.get(MAP_TYPE) == "atomic"
        return _new_field(name, kind, inline, "map", is_atomic_map=is_atomic)
    kind, inline = _element(schema)
    return _new_field(name, kind, inline)


def _element(schema: JSON) -> tuple[str, Type | None]:
    """Return (kind, type of a struct) of one value; what has no better word is raw."""
    if schema.get(INT_OR_STRING):
        return "intstr", None
    wanted = schema.get("type", "")
    if wanted in _SCALARS:
        return _SCALARS[wanted], None
    is_open = schema.get(PRESERVES) and not schema.get("properties")
    if wanted != "object" or is_open or values_schema(schema) is not None:
        return "raw", None
    return "struct", Type("object", _fields(schema), is_atomic=schema.get(MAP_TYPE) == "atomic")


def _new_field(name: str, kind: str, inline: Type | None, container: str = "", **more: Any) -> Field:
    # Any: the rest of InlineField's own fields
    unset = {"list_type": "", "list_keys": (), "is_atomic_map": False}
    return InlineField(
        name=name,
        kind=kind,
        container=container,
        ref=inline.name if inline else "",
        go_element="interface {}",
        keep_zero=True,
        is_always_there=False,
        merge_key="",
        patch_strategies=frozenset(),
        inline=inline,
        **{**unset, **more},
    )
