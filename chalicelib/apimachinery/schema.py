"""The types of the Kubernetes API: which fields a kind has, of what sort, and how its lists merge.

The data is a published OpenAPI schema (tools/kubernetes_schema.py made it, and says of which package and
version). It is read at the first question, once, and a type is built when it is first asked for.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

_DATA = Path(__file__).parent / "data"
_KEY_DEFAULTS = {"protocol": "TCP"}  # what a list's key is when left out; the only default among keys

_GO_SCALARS = {
    "string": "string",
    "bool": "bool",
    "int32": "int32",
    "int64": "int64",
    "float": "float64",
    "bytes": "[]uint8",
    "quantity": "resource.Quantity",
    "time": "v1.Time",
    "microtime": "v1.MicroTime",
    "intstr": "intstr.IntOrString",
    "strings": "[]string",
    "raw": "runtime.RawExtension",
}


@dataclass(frozen=True, eq=False, slots=True)
class Field:
    """One field of a type.

    `kind` is the sort of one value: string, bool, int32, int64, float, bytes, quantity, time, microtime,
    intstr, strings (a list of them), raw (any JSON) or struct, whose type is named by `ref`.
    """

    name: str
    kind: str
    container: str  # "" for one value, "list", or "map" (of strings to values)
    ref: str
    go_element: str  # the Go type of one value
    keep_zero: bool  # written out even when "", 0, false or empty
    is_always_there: bool  # in Go no pointer and not left out when empty: an empty object has it
    list_type: str  # "" where the schema is silent, which means atomic; "set", "map"
    list_keys: tuple[str, ...]  # of a list of list_type map
    is_atomic_map: bool
    merge_key: str  # for strategic merge patch
    patch_strategies: frozenset[str]  # merge, retainKeys, replace

    @property
    def go_type(self) -> str:
        """The Go type of the field, as decoder messages name it."""
        if self.container == "list":
            return f"[]{self.go_element}"
        if self.container == "map":
            return "v1.ResourceList" if self.kind == "quantity" else f"map[string]{self.go_element}"
        return self.go_element

    @property
    def struct(self) -> Type:
        """The type of one value; only where kind is struct."""
        return named_type(self.ref)

    def key_default(self, key: str) -> object:
        """Return what a missing `key` of an element counts as, None where there is no default."""
        return _KEY_DEFAULTS.get(key) if self.ref.endswith("Port") else None


@dataclass(frozen=True, eq=False)
class Type:
    """A kind, or a part of one."""

    name: str  # core.v1.PodSpec
    fields: dict[str, Field]
    is_atomic: bool  # changes hands as a whole in server-side apply

    @cached_property
    def go_struct(self) -> str:
        """The Go struct's bare name: PodSpec."""
        return self.name.rsplit(".", 1)[-1]

    @cached_property
    def go_type(self) -> str:
        """The Go type with its package: v1.PodSpec."""
        return ".".join(self.name.rsplit(".", 2)[-2:])


def find_type(group: str, version: str, kind: str) -> Type | None:
    """Return the type of a kind, None if the schema does not know it."""
    name = _types()["kinds"].get(f"{group}/{version}/{kind}")
    return named_type(name) if name else None


@cache
def named_type(name: str) -> Type:
    """Return a type by its name in the schema: `core.v1.PodSpec`. Raises KeyError."""
    raw = _types()["types"][name]
    fields = {field: _field(field, content) for field, content in raw["fields"].items()}
    return Type(name, fields, bool(raw.get("atomic")))


def _field(name: str, raw: dict[str, Any]) -> Field:  # Any: JSON of our own data file
    kind, ref = raw["kind"], raw.get("ref", "")
    element = raw.get("go") or (".".join(ref.rsplit(".", 2)[-2:]) if ref else _GO_SCALARS[kind])
    return Field(
        name=name,
        kind=kind,
        container=raw.get("in", ""),
        ref=ref,
        go_element=element,
        keep_zero=bool(raw.get("keep")),
        is_always_there=bool(raw.get("always")),
        list_type=raw.get("list", ""),
        list_keys=tuple(raw.get("keys", ())),
        is_atomic_map=raw.get("map") == "atomic",
        merge_key=raw.get("mergeKey", ""),
        patch_strategies=frozenset(raw.get("patch", "").split(",")) - {""},
    )


@cache
def _types() -> dict[str, Any]:  # Any: JSON of our own data file
    return _read("types.json.gz")


def openapi_definitions() -> dict[str, Any]:
    """Return the OpenAPI v2 definitions of all kinds served, by full name, with descriptions.

    Some 600 KB of JSON, read anew at each call: the caller keeps what it makes of them.
    """
    definitions: dict[str, Any] = _read("openapi.json.gz")["definitions"]
    return definitions


def source() -> dict[str, str]:
    """Return the package and the Kubernetes version that the schema was taken from."""
    found: dict[str, str] = _types()["source"]
    return found


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(gzip.decompress((_DATA / name).read_bytes()))
    return content
