"""The way from kubectl's client-side apply to server-side apply: the annotation that holds the last configuration.

What `kubectl apply` set before is recorded as an update by a client; the annotation tells that kubectl may take it
back without force, and is kept up to date for a way back. Only the manager `kubectl` is treated so. Reference:
kubernetes.io/docs/reference/using-api/server-side-apply, "Upgrading from client-side apply"; lastappliedmanager.go and
lastappliedupdater.go in k8s.io/apimachinery/pkg/util/managedfields/internal, v1.36.
"""

from __future__ import annotations

from chalicelib.apimachinery.accessors import annotations_of
from chalicelib.apimachinery.decoding.parsing import DecodeError, parse_json, plain
from chalicelib.apimachinery.patching.field_set import Path, compact
from chalicelib.apimachinery.patching.field_walk import compare, field_set
from chalicelib.apimachinery.rules.meta import MAX_ANNOTATIONS
from chalicelib.apimachinery.schema import Type
from chalicelib.apimachinery.types import JSON

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
MANAGER = "kubectl"


def client_side_fields(live: JSON, kind: Type, api_version: str) -> set[Path]:
    """Return the fields that client-side apply set in `live` and that are still as it set them."""
    annotations = annotations_of(live)
    try:
        last = plain(parse_json(annotations.get(ANNOTATION, "").encode()))
        if not isinstance(last, dict) or last.get("apiVersion") != api_version:
            return set()
        difference = compare(last, live, kind)
        return field_set(last, kind) - {*difference.added, *difference.removed, *difference.modified}
    except (DecodeError, ValueError):
        return set()


def refresh(result: JSON, config: JSON) -> None:
    """Write `config` into the annotation of `result`, in place, if it has one."""
    annotations = annotations_of(result)
    if annotations.get(ANNOTATION):
        text = compact(config) + "\n"
        annotations[ANNOTATION] = text if len(text.encode()) <= MAX_ANNOTATIONS else ""
