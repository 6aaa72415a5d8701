"""Request bodies: bytes and content type to objects, patches and delete options, checked against the schema.

Reference: api-concepts, "Validation for unrecognized or duplicate fields" (v1.36). Accepted are JSON, YAML and
Kubernetes protobuf, which kubectl sends for `create configmap` and the like without falling back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from chalicelib.apimachinery.decoding import decode
from chalicelib.apimachinery.decoding.decode import Kind, Validation, media_type
from chalicelib.apimachinery.rules.status import too_large, unsupported_media_type
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.http.request_info import RequestInfo
from chalicelib.registry.options import Patch
from chalicelib.registry.patching import PATCH_TYPES, decode_patch, shaped
from chalicelib.registry.registry import Registry

MAX_BODY_BYTES = 3 * 1024 * 1024  # what a real API server takes
STRATEGIC = "application/strategic-merge-patch+json"  # needs merge keys that a custom resource does not have
VALIDATIONS = ("Strict", "Warn", "Ignore")


@dataclass(frozen=True, slots=True)
class ObjectBody:
    """A decoded object and the warnings that its fields deserve."""

    obj: JSON
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PatchBody:
    """A decoded patch and the warnings that its fields deserve."""

    patch: Patch
    warnings: list[str] = field(default_factory=list)


class Bodies:
    """Decodes bodies of at most `max_bytes`."""

    def __init__(self, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._max_bytes = min(max_bytes, MAX_BODY_BYTES)

    def object(self, registry: Registry, info: RequestInfo) -> ObjectBody:
        """Return the object that a create or update sent. Raises 400, 413, 415."""
        strategy = registry.strategy
        found = self.typed_object(info, group=strategy.group, version=strategy.version, kind=strategy.kind)
        if not strategy.is_custom:
            return found
        validation = _validation(info)
        complaints = shaped(strategy, found.obj, is_strict=validation == "Strict")
        return ObjectBody(found.obj, found.warnings + (complaints if validation == "Warn" else []))

    def typed_object(self, info: RequestInfo, *, group: str, version: str, kind: str) -> ObjectBody:
        """Return an object of a kind that need not be the URL's own (Binding, Eviction, reviews)."""
        self._check_size(info)
        expected = Kind(group, version, kind)
        content_type = info.headers.get("content-type")
        found = decode.decode_object(info.body, content_type, expected, validation=_validation(info))
        return ObjectBody(found.value, found.warnings)

    def patch(self, registry: Registry, info: RequestInfo) -> PatchBody:
        """Return the patch that a request sent. Raises 400, 413, 415."""
        self._check_size(info)
        if registry.strategy.is_custom and media_type(info.headers.get("content-type")) == STRATEGIC:
            raise unsupported_media_type([each for each in PATCH_TYPES if each != STRATEGIC])
        return PatchBody(*decode_patch(info.body, info.headers.get("content-type"), _validation(info)))

    def delete_options(self, info: RequestInfo) -> JSON:
        """Return the DeleteOptions of a body, {} if it has none. Raises 400, 413, 415."""
        self._check_size(info)
        return decode.decode_delete_options(info.body, info.headers.get("content-type"))

    def _check_size(self, info: RequestInfo) -> None:
        if len(info.body) > self._max_bytes:
            raise too_large(self._max_bytes)


def _validation(info: RequestInfo) -> Validation:
    asked = info.first("fieldValidation")
    return cast(Validation, asked) if asked in VALIDATIONS else "Warn"  # write_options refuses other words
