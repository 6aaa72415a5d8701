"""Custom resources: a strategy made of a CustomResourceDefinition and one of its versions.

Compare k8s.io/apiextensions-apiserver/pkg/registry/customresource and .../crdserverscheme, v1.36.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from datetime import datetime

from chalicelib.apimachinery.accessors import metadata_of
from chalicelib.apimachinery.decoding.decode_errors import explain
from chalicelib.apimachinery.decoding.parsing import DecodeError
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.status import Cause, bad_request
from chalicelib.apimachinery.schema import named_type
from chalicelib.apimachinery.structural import json_path
from chalicelib.apimachinery.structural.pruning import fill_in, has_defaults, prune
from chalicelib.apimachinery.structural.types import type_of
from chalicelib.apimachinery.structural.validation import validate
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, Column, Strategy
from chalicelib.registry.subresources import StatusStrategy

_TYPED = ("apiVersion", "kind", "metadata")


class CustomResourceStrategy(Strategy):
    """One version of one custom resource. Objects of all versions are stored alike: they only differ in apiVersion."""

    unconditional_update = False
    is_custom = True
    has_generation = True

    def __init__(self, definition: JSON, version: JSON) -> None:
        spec = definition["spec"]
        named = spec["names"]
        self.definition = definition["metadata"]["name"]
        self.group, self.version = spec["group"], version["name"]
        self.resource, self.kind = named["plural"], named["kind"]
        self.singular = named.get("singular") or self.kind.lower()
        self._list_kind: str = named.get("listKind") or f"{self.kind}List"
        self.short_names = tuple(named.get("shortNames") or ())
        self.categories = tuple(named.get("categories") or ())
        self.namespaced = spec["scope"] == "Namespaced"
        self.stored_as = self.definition  # resources of two groups may have one name
        self._schema: JSON = version["schema"]["openAPIV3Schema"]
        self.structural = self._schema
        subresources: JSON = version.get("subresources") or {}
        self.status = _CustomStatus(self) if "status" in subresources else None
        self.scale = subresources.get("scale")
        self._defaults = has_defaults(self._schema)
        self.schema = type_of(f"{self.group}.{self.version}.{self.kind}", self._schema)
        if version.get("deprecated"):
            words = f"{self.api_version} {self.kind} is deprecated"
            self.deprecation = version.get("deprecationWarning") or words
        printed = version.get("additionalPrinterColumns") or []
        self._paths = [json_path.parse(each["jsonPath"]) for each in printed]
        more = [
            Column(
                each["name"], each["type"], each.get("format", ""), each.get("description", ""), each.get("priority", 0)
            )
            for each in printed
        ]
        self.columns = (NAME_COLUMN, *(more or [AGE_COLUMN]))

    @property
    def list_kind(self) -> str:
        """Return the kind of a list, which the definition names."""
        return self._list_kind

    def shape(self, obj: JSON) -> list[str]:
        """Drop, in place, what neither metadata nor the schema knows; return complaints. Raises 400."""
        try:
            found = explain(metadata_of(obj), named_type("meta.v1.ObjectMeta"))
        except DecodeError as error:
            what = f'{self.kind} in version "{self.version}" cannot be handled as a {self.kind}'
            raise bad_request(f"{what}: {error}") from None
        obj["metadata"] = found.value
        complaints = [text.replace('field "', 'field "metadata.', 1) for text in found.complaints]
        return complaints + prune(obj, self._schema)

    def from_stored(self, obj: JSON) -> JSON:
        """Return a stored object with its kind, and with defaults that came after it was stored."""
        if self._defaults:
            obj = copy.deepcopy(obj)
            fill_in(obj, self._schema)
        return {**obj, "kind": self.kind, "apiVersion": self.api_version}

    def default(self, obj: JSON) -> None:
        """Fill in the schema's defaults."""
        fill_in(obj, self._schema)

    def prepare_for_create(self, obj: JSON) -> None:
        """Drop a status that has a subresource of its own."""
        if self.status is not None:
            obj.pop("status", None)

    def prepare_for_update(self, obj: JSON, old: JSON) -> None:
        """Keep a status that has a subresource of its own."""
        if self.status is not None:
            obj.pop("status", None)
            if "status" in old:
                obj["status"] = old["status"]

    def counts_as_change(self, obj: JSON, old: JSON) -> bool:
        """Return whether anything but metadata, and a status of its own, differs."""
        left_out = (*_TYPED, "status") if self.status is not None else _TYPED
        return _without(obj, left_out) != _without(old, left_out)

    def validate(self, obj: JSON) -> list[Cause]:
        """Return what the schema finds wrong."""
        required = [each for each in self._schema.get("required") or () if each not in _TYPED]
        return validate(_without(obj, _TYPED), {**self._schema, "required": required})

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return name and the definition's own columns, or age where it has none."""
        metadata = metadata_of(obj)
        if not self._paths:
            return [metadata.get("name", ""), meta.age(metadata.get("creationTimestamp"), now)]
        own = [self._cell(column, path, obj, now) for column, path in zip(self.columns[1:], self._paths, strict=True)]
        return [metadata.get("name", ""), *own]

    def _cell(self, column: Column, path: list[json_path.Step], obj: JSON, now: datetime) -> object:
        found = json_path.find(obj, path)
        if not found or found[0] is None:
            return None
        value = found[0]
        match column.type:
            case "date":
                return meta.age(value, now)
            case "integer" | "number" | "boolean":
                return value if isinstance(value, int | float) else None
        return value if isinstance(value, str) else json_path.text(found)


class _CustomStatus(StatusStrategy):
    def __init__(self, strategy: CustomResourceStrategy) -> None:
        super().__init__()
        self._strategy = strategy

    def prepare_for_update(self, obj: JSON, old: JSON) -> None:
        """Keep all but status and managedFields."""
        status, managed = obj.get("status"), obj["metadata"].get("managedFields")
        version = obj["metadata"].get("resourceVersion")
        obj.clear()
        obj.update(copy.deepcopy(old))
        obj.pop("status", None)
        if status is not None:
            obj["status"] = status
        obj["metadata"] |= {"resourceVersion": version, "managedFields": managed}
        if managed is None:
            del obj["metadata"]["managedFields"]

    def validate_update(self, obj: JSON, old: JSON) -> Iterable[Cause]:
        """Return what the schema finds wrong with the whole."""
        return self._strategy.validate_update(obj, old)


def _without(obj: JSON, keys: Sequence[str]) -> JSON:
    return {key: value for key, value in obj.items() if key not in keys}
