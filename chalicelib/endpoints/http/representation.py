"""Objects in other shapes: Table and PartialObjectMetadata, one or many.

Reference: api-concepts, "Receiving resources as Tables" (v1.36).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from chalicelib.apimachinery.rules import table
from chalicelib.apimachinery.rules.status import bad_request
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.http.requests import RequestInfo
from chalicelib.endpoints.http.responses import Representation, dumps
from chalicelib.endpoints.http.table_rows import TableRows
from chalicelib.registry.registry import Registry
from chalicelib.storage.base import StoredObject

INCLUDE_OBJECT = ("", "None", "Metadata", "Object")


class Shaper:
    """Turns stored objects into the shape that a client asked for."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._rows = TableRows()

    def one(self, registry: Registry, stored: StoredObject, how: Representation, info: RequestInfo) -> JSON:
        """Return one object in its shape."""
        obj = registry.typed(stored)
        if how.shape == "object":
            return obj
        if how.shape == "Table":
            metadata = {"resourceVersion": str(stored.revision)}
            return self._table(registry, [obj], metadata, how, info)
        return table.partial_object_metadata(obj, version=how.shape_version)

    def many(
        self, registry: Registry, metadata: JSON, items: Iterable[StoredObject], how: Representation, info: RequestInfo
    ) -> JSON:
        """Return a list in its shape."""
        if how.shape == "Table":
            return self._table(registry, [registry.typed(item) for item in items], metadata, how, info)
        if how.shape != "object":
            return {
                "kind": "PartialObjectMetadataList",
                "apiVersion": f"meta.k8s.io/{how.shape_version}",
                "metadata": metadata,
                "items": [
                    table.partial_object_metadata(registry.typed(item), version=how.shape_version) for item in items
                ],
            }
        strategy = registry.strategy
        return {
            "kind": strategy.list_kind,
            "apiVersion": strategy.api_version,
            "metadata": metadata,
            "items": [registry.typed(item) if strategy.is_custom else item.object() for item in items],
        }

    def table_text(
        self, registry: Registry, metadata: JSON, items: Iterable[StoredObject], how: Representation, info: RequestInfo
    ) -> str:
        """Return a list as the JSON text of a Table."""
        now, include = self._clock(), included(info)
        head = dumps(self._table(registry, [], metadata, how, info)).removesuffix("]}")
        rows = (self._rows.text(registry, item, how, include, now) for item in items)
        return f"{head}{','.join(rows)}]}}"

    def watched(
        self, registry: Registry, stored: StoredObject, how: Representation, info: RequestInfo, *, is_first: bool
    ) -> JSON:
        """Return the object of a watch event; a Table brings its columns only the first time."""
        if how.shape != "Table":
            return self.one(registry, stored, how, info)
        metadata = {"resourceVersion": str(stored.revision)}
        shaped = self._table(registry, [registry.typed(stored)], metadata, how, info)
        if not is_first:
            shaped["columnDefinitions"] = None
        return shaped

    def _table(
        self, registry: Registry, objs: list[JSON], metadata: JSON, how: Representation, info: RequestInfo
    ) -> JSON:
        now = self._clock()
        strategy = registry.strategy
        return table.table(
            columns=[
                {
                    "name": column.name,
                    "type": column.type,
                    "format": column.format,
                    "description": column.description,
                    "priority": column.priority,
                }
                for column in strategy.columns
            ],
            rows=[(list(strategy.cells(obj, now)), strategy.row_conditions(obj), obj) for obj in objs],
            metadata=metadata,
            include_object=included(info),
            version=how.shape_version,
        )


def included(info: RequestInfo) -> str:
    """Return what a Table's rows are to bring of their objects. Raises 400."""
    include = info.first("includeObject")
    if include not in INCLUDE_OBJECT:
        raise bad_request(f'Invalid value for includeObject: "{include}"')
    return include or "Metadata"
