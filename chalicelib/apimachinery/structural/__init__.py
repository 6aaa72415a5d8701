"""Structural schemas: validation, pruning and defaults of custom resources. Used by operators and their users. Pure.

Reference: kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions, "Specifying a
structural schema" (v1.36). Schemas are the plain dicts of spec.versions[].schema.openAPIV3Schema.
"""

from __future__ import annotations

from chalicelib.apimachinery.types import JSON

PRESERVES = "x-kubernetes-preserve-unknown-fields"
EMBEDDED = "x-kubernetes-embedded-resource"
INT_OR_STRING = "x-kubernetes-int-or-string"
LIST_TYPE = "x-kubernetes-list-type"
LIST_KEYS = "x-kubernetes-list-map-keys"
MAP_TYPE = "x-kubernetes-map-type"
TYPE_FIELDS = ("apiVersion", "kind", "metadata")  # every object has them, declared or not


def values_schema(schema: JSON) -> JSON | None:
    """Return the schema of a map's values, {} if they may be anything, None if the schema is not a map's."""
    values = schema.get("additionalProperties")
    if values is True:
        return {PRESERVES: True}
    return values if isinstance(values, dict) else None
