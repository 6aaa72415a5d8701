"""Patches of the four types, dispatched by type; apimachinery does the work."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from chalicelib.apimachinery.accessors import metadata_of
from chalicelib.apimachinery.decoding.decode import Kind, Validation, media_type
from chalicelib.apimachinery.patching import apply
from chalicelib.apimachinery.patching import patch as patches
from chalicelib.apimachinery.rules.status import bad_request, unsupported_media_type
from chalicelib.apimachinery.types import JSON
from chalicelib.registry import writing
from chalicelib.registry.options import Patch, PatchType
from chalicelib.registry.strategy import Strategy

PATCH_TYPES: dict[str, PatchType] = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}


def decode_patch(body: bytes, content_type: str | None, validation: Validation = "Warn") -> tuple[Patch, list[str]]:
    """Return the patch of a body by its media type, and warnings about it. Raises 400, 413, 415."""
    kind = media_type(content_type)
    if kind not in PATCH_TYPES:
        raise unsupported_media_type(list(PATCH_TYPES))
    if kind.endswith("yaml"):
        config, warnings = patches.decode_apply(body, is_strict=validation == "Strict")
        return Patch("apply", config, validation), warnings if validation == "Warn" else []
    patch_type = cast(patches.PatchType, PATCH_TYPES[kind])  # apply, the fourth, was YAML
    return Patch(patch_type, patches.decode_patch(body, patch_type), validation), []


def patched(strategy: Strategy, live: JSON, patch: Patch) -> tuple[JSON, list[str]]:
    """Return `live` with a JSON, merge or strategic merge patch applied, and warnings. Raises 400, 422, 500."""
    document = cast(JSON, patch.document)  # decode_patch has checked its shape
    patch_type = cast(patches.PatchType, patch.type)  # apply goes another way
    if patch_type == "json":
        result = patches.json_patch(live, cast(list[JSON], patch.document))
    elif patch_type == "merge":
        result = patches.merge_patch(live, document)
    else:
        result = patches.strategic_merge_patch(live, document, strategy.schema)
    obj, complaints = patches.shaped(
        result,
        Kind(strategy.group, strategy.version, strategy.kind),
        patch_type=patch_type,
        document=document,
        is_strict=patch.validation == "Strict",
    )
    complaints += shaped(strategy, obj, is_strict=patch.validation == "Strict")
    return obj, complaints if patch.validation == "Warn" else []


def shaped(strategy: Strategy, obj: JSON, *, is_strict: bool) -> list[str]:
    """Bring an object of a kind with a type of its own into shape, in place; return complaints. Raises 400."""
    complaints = strategy.shape(obj)
    if complaints and is_strict:
        what = f'{strategy.kind} in version "{strategy.version}" cannot be handled as a {strategy.kind}'
        raise bad_request(f"{what}: strict decoding error: {', '.join(complaints)}")
    return complaints


def checked_apply(strategy: Strategy, document: object, *, name: str, namespace: str | None) -> JSON:
    """Return an apply configuration after checking that it is of this kind and name. Raises 400."""
    config = dict(cast(JSON, document))  # decode_patch has checked that it is an object
    version, kind = config.get("apiVersion") or "", config.get("kind") or ""
    if (version, kind) != (strategy.api_version, strategy.kind):
        shown = version if "/" in str(version) else f"/{version}"
        raise bad_request(f"invalid object type: {shown}, Kind={kind}")
    schema = strategy.schema
    if schema and not isinstance(config.get("metadata"), dict | None):
        apply.check_config(config, schema)  # has the words for it
    metadata = config["metadata"] = dict(metadata_of(config))
    if metadata.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    metadata.setdefault("name", name)
    addressed = {**config, "metadata": dict(metadata)}  # the configuration itself gets no namespace it did not name
    writing.check_addressed(addressed, name=name, namespace=namespace if strategy.namespaced else None)
    return config


def applied(
    strategy: Strategy, live: JSON | None, config: JSON, how: writing.Change, *, now: datetime, force: bool
) -> JSON:
    """Return what an apply configuration makes of `live`, or a new object; managedFields included. Raises 409."""
    return apply.apply(
        live,
        config,
        manager=how.manager,
        force=force,
        now=now,
        schema=strategy.schema,
        subresource=how.subresource,
        api_version=strategy.api_version,
    )
