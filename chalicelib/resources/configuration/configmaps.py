"""ConfigMaps.

Compare kubernetes/pkg/registry/core/configmap/strategy.go and ValidateConfigMap, v1.36.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from datetime import datetime

from chalicelib.apimachinery.accessors import metadata_of
from chalicelib.apimachinery.decoding.gotext import byte_length
from chalicelib.apimachinery.field_docs import field_doc
from chalicelib.apimachinery.rules import meta, names
from chalicelib.apimachinery.rules.causes import forbidden, invalid, too_long
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, Column, Strategy
from chalicelib.registry.subresources import WRITE_VERBS

MAX_DATA_BYTES = 1024 * 1024  # of all values of a ConfigMap, or of a Secret
FIXED = "field is immutable when `immutable` is set"


def decoded_size(text: str) -> int:
    """Return the number of bytes of a base64 text; its length if it is broken."""
    try:
        return len(base64.b64decode(text))
    except (binascii.Error, ValueError):
        return len(text)


def fixed_causes(obj: JSON, old: JSON, keys: Sequence[str]) -> list[Cause]:
    """Return what an object marked `immutable` may not change: the mark and the fields named by `keys`."""
    if not old.get("immutable"):
        return []
    causes = [] if obj.get("immutable") else [forbidden("immutable", FIXED)]
    return causes + [forbidden(key, FIXED) for key in keys if (obj.get(key) or {}) != (old.get(key) or {})]


class ConfigMapStrategy(Strategy):
    """core/v1 configmaps."""

    resource, singular, kind = "configmaps", "configmap", "ConfigMap"
    in_view, edit_verbs = True, WRITE_VERBS
    short_names = ("cm",)
    columns = (NAME_COLUMN, Column("Data", description=field_doc("ConfigMap.data")), AGE_COLUMN)

    def default(self, obj: JSON) -> None:
        """Leave out what is empty."""
        for key in ("data", "binaryData"):
            if not obj.get(key):
                obj.pop(key, None)

    def validate(self, obj: JSON) -> Iterator[Cause]:
        """Check keys, that none is in both maps, and the size."""
        data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
        for field, entries in (("data", data), ("binaryData", binary)):
            for key in entries:
                for error in names.config_key_errors(key):
                    yield invalid(f"{field}[{key}]", key, error)
                if field == "data" and key in binary:
                    yield invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
        size = sum(map(byte_length, data.values())) + sum(map(decoded_size, binary.values()))
        if size > MAX_DATA_BYTES:
            yield too_long("", MAX_DATA_BYTES)

    def validate_update(self, obj: JSON, old: JSON) -> Iterator[Cause]:
        """Hold an immutable ConfigMap to what it is."""
        yield from fixed_causes(obj, old, ("data", "binaryData"))
        yield from self.validate(obj)

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return name, number of keys and age."""
        metadata = metadata_of(obj)
        count = len(obj.get("data") or {}) + len(obj.get("binaryData") or {})
        return [metadata.get("name", ""), count, meta.age(metadata.get("creationTimestamp"), now)]
