"""A custom resource, so that patterns, formats, merges and printer columns of its schema are drawn on too."""

from __future__ import annotations

from typing import Any

WIDGET: dict[str, Any] = {  # Any: JSON
    "kind": "Widget",
    "apiVersion": "example.com/v1",
    "metadata": {"name": "a", "labels": {"a": "b"}},
    "spec": {
        "size": 3,
        "ratio": 0.5,
        "name": "wide",
        "port": "http",
        "when": "2026-01-01T00:00:00Z",
        "items": [{"key": "x", "n": 1}, {"key": "y", "n": 2}],
        "anything": {"a": [1, "b", None]},
    },
}
_FIELDS: dict[str, Any] = {  # Any: JSON
    "size": {"type": "integer", "format": "int64", "minimum": 0, "multipleOf": 1, "default": 1},
    "ratio": {"type": "number", "multipleOf": 0.1, "maximum": 1e300},
    "name": {"type": "string", "pattern": "^(a+|[a-z]{1,9})+$", "maxLength": 9000},
    "port": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
    "when": {"type": "string", "format": "date-time", "nullable": True},
    "items": {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["key"],
        "items": {
            "type": "object",
            "required": ["key"],
            "properties": {"key": {"type": "string"}, "n": {"type": "integer"}},
        },
    },
    "anything": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}
_VERSION: dict[str, Any] = {  # Any: JSON
    "name": "v1",
    "served": True,
    "storage": True,
    "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.n"}},
    "schema": {
        "openAPIV3Schema": {
            "type": "object",
            "properties": {
                "spec": {"type": "object", "properties": _FIELDS},
                "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        }
    },
    "additionalPrinterColumns": [
        {"name": "first", "type": "integer", "jsonPath": '.spec.items[?(@.key=="x")].n'},
        {"name": "when", "type": "date", "jsonPath": ".spec.when"},
        {"name": "size", "type": "number", "jsonPath": ".spec.size"},
    ],
}
WIDGETS: dict[str, Any] = {  # Any: JSON
    "kind": "CustomResourceDefinition",
    "apiVersion": "apiextensions.k8s.io/v1",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [_VERSION],
    },
}
