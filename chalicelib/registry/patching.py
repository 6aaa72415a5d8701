"""Patches of the four types, dispatched by type; apimachinery does the work."""

from __future__ import annotations

import json
from typing import cast

from chalicelib.apimachinery import patch as patches
from chalicelib.apimachinery.decode import media_type
from chalicelib.apimachinery.status import JSON, bad_request, unsupported_media_type
from chalicelib.registry import updating
from chalicelib.registry.options import Patch, PatchType
from chalicelib.registry.schemas import schema_of
from chalicelib.registry.strategy import Strategy

PATCH_TYPES: dict[str, PatchType] = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}


def decode_patch(strategy: Strategy, body: bytes, content_type: str | None) -> Patch:
    """Return the patch of a body by its media type. Raises 400, 415."""
    kind = media_type(content_type)
    if kind not in PATCH_TYPES:
        raise unsupported_media_type(list(PATCH_TYPES))
    del strategy
    if kind.endswith("yaml"):
        import yaml  # lazy: few requests are YAML

        return Patch("apply", yaml.safe_load(body))
    try:
        return Patch(PATCH_TYPES[kind], json.loads(body))
    except ValueError as error:
        raise bad_request(f"error decoding patch: {error}") from None


def patched(strategy: Strategy, live: JSON, patch: Patch) -> JSON:
    """Return `live` with a JSON, merge or strategic merge patch applied; `live` may be changed."""
    if patch.type == "json":
        return patches.json_patch(live, patch.document)
    document = cast(JSON, patch.document)  # bodies have checked that it is an object
    if patch.type == "merge":
        merged: JSON = patches.merge_patch(live, document)
        return merged
    return patches.strategic_merge_patch(live, document, schema_of(strategy))


def checked_apply(strategy: Strategy, document: object, *, name: str, namespace: str | None) -> JSON:
    """Return an apply configuration after checking that it is of this kind and name. Raises 400."""
    config = cast(JSON, document)  # bodies have checked that it is an object
    version, kind = config.get("apiVersion") or "", config.get("kind") or ""
    if (version, kind) != (strategy.api_version, strategy.kind):
        shown = version if "/" in version else f"/{version}"
        raise bad_request(f"invalid object type: {shown}, Kind={kind}")
    metadata = config.setdefault("metadata", {})
    if metadata.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    metadata.setdefault("name", name)
    updating.check_addressed(config, name=name, namespace=namespace if strategy.namespaced else None)
    return config
