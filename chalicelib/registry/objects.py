"""Small pure steps on objects that every verb of the Registry shares."""

from __future__ import annotations

import json
from typing import Any

from chalicelib.apimachinery.accessors import metadata_of
from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import StoredObject


def without_type(obj: JSON) -> JSON:
    """Return a shallow copy of `obj` without kind and apiVersion, as it is stored."""
    return {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}


def metadata(obj: JSON) -> dict[str, Any]:
    """Return obj's metadata, made if it has none."""
    found: dict[str, Any] = obj.setdefault("metadata", {})
    return found


def as_stored(key: str, obj: JSON, revision: int) -> StoredObject:
    """Return what storing `obj` would give, for a dry run: nothing is written."""
    return StoredObject(key=key, revision=revision, json=json.dumps(without_type(obj), separators=(",", ":")))


def is_same(left: JSON, right: JSON) -> bool:
    """Return whether two objects differ in nothing but resourceVersion and managedFields' times."""
    return _comparable(left) == _comparable(right)


def _comparable(obj: JSON) -> JSON:
    meta = {key: value for key, value in metadata_of(obj).items() if key != "resourceVersion"}
    meta["managedFields"] = [
        {key: value for key, value in entry.items() if key != "time"} for entry in meta.get("managedFields") or []
    ]
    return {**without_type(obj), "metadata": meta}
