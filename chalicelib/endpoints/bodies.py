"""Request bodies: bytes and content type to objects, patches and delete options, checked against the schema.

Reference: api-concepts, "Validation for unrecognized or duplicate fields" (v1.36). Accepted are JSON, YAML and
Kubernetes protobuf, which kubectl sends for `create configmap` and the like without falling back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from chalicelib.apimachinery import decode
from chalicelib.apimachinery.status import JSON, bad_request, too_large, unsupported_media_type
from chalicelib.endpoints.request_info import RequestInfo
from chalicelib.registry.options import Patch, PatchType
from chalicelib.registry.registry import Registry

MAX_BODY_BYTES = 3 * 1024 * 1024  # what a real API server takes
OBJECT_TYPES = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
PATCH_TYPES: dict[str, PatchType] = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}


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


def media_type(info: RequestInfo) -> str:
    """Return the content type of a request without its parameters, JSON where it names none."""
    return info.headers.get("content-type", "").split(";")[0].strip().lower() or "application/json"


class Bodies:
    """Decodes bodies; stateless."""

    def object(self, registry: Registry, info: RequestInfo) -> ObjectBody:
        """Return the object that a create or update sent. Raises 400, 413, 415."""
        kind = media_type(info)
        if kind not in OBJECT_TYPES:
            raise unsupported_media_type(list(OBJECT_TYPES))
        self._check_size(info)
        obj = decode.decode(info.body, kind)
        if not isinstance(obj, dict):
            raise bad_request("the object provided is unrecognized")
        return ObjectBody(obj)

    def typed_object(self, info: RequestInfo, *, group: str, version: str, kind: str) -> ObjectBody:
        """Return the object of a kind that is not the URL's own (Binding, Eviction, reviews)."""
        content = media_type(info)
        if content not in OBJECT_TYPES:
            raise unsupported_media_type(list(OBJECT_TYPES))
        self._check_size(info)
        obj = decode.decode(info.body, content)
        del group, version, kind
        return ObjectBody(obj)

    def patch(self, registry: Registry, info: RequestInfo) -> PatchBody:
        """Return the patch that a request sent. Raises 400, 413, 415."""
        kind = media_type(info)
        if kind not in PATCH_TYPES:
            raise unsupported_media_type(list(PATCH_TYPES))
        self._check_size(info)
        document = decode.decode(
            info.body, "application/yaml" if kind.endswith("yaml") else "application/json"
        )
        return PatchBody(Patch(PATCH_TYPES[kind], document))

    def delete_options(self, info: RequestInfo) -> JSON:
        """Return the DeleteOptions of a body, {} if it has none. Raises 400."""
        if not info.body.strip():
            return {}
        decoded = decode.decode(info.body, media_type(info))
        return cast(JSON, decoded)

    @staticmethod
    def _check_size(info: RequestInfo) -> None:
        if len(info.body) > MAX_BODY_BYTES:
            raise too_large(MAX_BODY_BYTES)
