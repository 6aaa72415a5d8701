"""Tables and PartialObjectMetadata: the shapes that kubectl prints from and that informers of metadata read.

Reference: api-concepts, "Receiving resources as Tables"; meta.k8s.io/v1 Table and PartialObjectMetadata (v1.36).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chalicelib.apimachinery.accessors import metadata_of
from chalicelib.apimachinery.types import JSON

Row = tuple[Sequence[object], list[JSON], JSON]  # cells, conditions, object


def table(
    *,
    columns: Sequence[JSON],
    rows: Iterable[Row],
    metadata: JSON,
    include_object: str = "Metadata",
    version: str = "v1",
) -> JSON:
    """Return a Table; each row brings its object, its metadata or nothing, as `include_object` says."""
    made = [row(*each, include_object=include_object, version=version) for each in rows]
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata,
        "columnDefinitions": list(columns),
        "rows": made,
    }


def row(
    cells: Sequence[object], conditions: list[JSON], obj: JSON, *, include_object: str = "Metadata", version: str = "v1"
) -> JSON:
    """Return one row of a Table."""
    made: JSON = {"cells": list(cells), "object": None}
    if conditions:
        made["conditions"] = conditions
    if include_object == "Object":
        made["object"] = obj
    elif include_object == "Metadata":
        made["object"] = partial_object_metadata(obj, version=version)
    return made


def partial_object_metadata(obj: JSON, *, version: str = "v1") -> JSON:
    """Return the PartialObjectMetadata of an object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": metadata_of(obj)}
