"""The scale subresource: actual and wanted replicas, in one shape for every kind that has them.

Compare kubernetes/pkg/registry/apps/deployment/storage (ScaleREST) and autoscaling/v1 Scale, v1.36. An apply patch
counts as a merge patch here: only one field can be set.
"""

from __future__ import annotations

from typing import Any

from chalice.app import Response

from chalicelib.apimachinery.accessors import metadata_of, spec_of
from chalicelib.apimachinery.decoding.decode import Kind
from chalicelib.apimachinery.patching import patch as patches
from chalicelib.apimachinery.rules.causes import invalid as invalid_cause
from chalicelib.apimachinery.rules.status import invalid
from chalicelib.apimachinery.schema import find_type
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.http.parameters import Bodies, namespace_of, write_options
from chalicelib.endpoints.http.requests import RequestInfo
from chalicelib.endpoints.http.responses import representation, respond, with_warnings
from chalicelib.registry.options import Patch
from chalicelib.registry.registry import Registry
from chalicelib.registry.writing import check_addressed
from chalicelib.resources.shared.formats import NOT_NEGATIVE
from chalicelib.resources.shared.table_text import selector_text
from chalicelib.storage.base import StoredObject

GROUP, VERSION, KIND = "autoscaling", "v1", "Scale"
_KEPT_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


class Scale:
    """get, update and patch of .../scale."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies

    def answer(self, registry: Registry, info: RequestInfo) -> Response:
        """Return the Scale as it is, or has become. Raises StatusError."""
        how, namespace = representation(info), namespace_of(registry, info)
        stored = registry.get(namespace, info.name)
        warnings: list[str] = []
        if info.verb != "get":
            wanted, warnings = self._wanted(registry, stored, info)
            check_addressed(wanted, name=info.name, namespace=namespace)
            replicas = spec_of(wanted).get("replicas", 0)
            if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
                cause = invalid_cause("spec.replicas", replicas, NOT_NEGATIVE)
                raise invalid(KIND, info.name, [cause], group=GROUP)
            document = _wrapped(replicas, _path(registry, "specReplicasPath"))
            metadata = metadata_of(wanted)
            conditions = {key: metadata[key] for key in ("resourceVersion", "uid") if metadata.get(key)}
            if conditions:
                document["metadata"] = conditions
            options = write_options(info, "UpdateOptions" if info.verb == "update" else "PatchOptions")
            stored = registry.patch(namespace, info.name, Patch("merge", document), options).stored
        return with_warnings(respond(scale_of(registry, stored), representation=how), warnings)

    def _wanted(self, registry: Registry, stored: StoredObject, info: RequestInfo) -> tuple[JSON, list[str]]:
        if info.verb == "update":
            return self._bodies.typed_object(info, group=GROUP, version=VERSION, kind=KIND)
        patch, _ = self._bodies.patch(registry, info)
        live = scale_of(registry, stored)
        live["metadata"].pop("resourceVersion")  # a patch that names none meets whatever there is
        document: Any = patch.document  # decode_patch has checked its shape
        if patch.type == "json":
            found = patches.json_patch(live, document)
        elif patch.type == "strategic":
            found = patches.strategic_merge_patch(live, document, find_type(GROUP, VERSION, KIND))
        else:
            found = patches.merge_patch(live, document)
        merged: patches.PatchType = "strategic" if patch.type == "strategic" else "merge"
        kind = Kind(GROUP, VERSION, KIND)
        return patches.shaped(found, kind, patch_type=merged, document=document, is_strict=False)


def _path(registry: Registry, name: str) -> list[str]:
    text = (registry.strategy.scale or {}).get(name, "")
    return [part for part in text.split(".") if part]


def _wrapped(value: object, path: list[str]) -> JSON:
    """Return the merge patch that sets one field."""
    first, *rest = path
    return {first: _wrapped(value, rest) if rest else value}


def _at(obj: JSON, path: list[str]) -> object:
    found: Any = obj if path else None
    for part in path:
        found = found.get(part) if isinstance(found, dict) else None
    return found


def scale_of(registry: Registry, stored: StoredObject) -> JSON:
    """Return the Scale of a stored object."""
    obj = registry.typed(stored)
    metadata = {key: obj["metadata"][key] for key in _KEPT_METADATA if key in obj["metadata"]}
    wanted = _at(obj, _path(registry, "specReplicasPath"))
    status: JSON = {"replicas": _at(obj, _path(registry, "statusReplicasPath")) or 0}
    if registry.strategy.is_custom:
        selector = _at(obj, _path(registry, "labelSelectorPath"))
    else:
        selector = selector_text(spec_of(obj).get("selector") or {})
    if selector:
        status["selector"] = selector
    spec = {"replicas": wanted} if wanted else {}
    return {"kind": KIND, "apiVersion": f"{GROUP}/{VERSION}", "metadata": metadata, "spec": spec, "status": status}
