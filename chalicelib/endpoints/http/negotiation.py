"""Accept headers: which representation an answer takes.

Reference: api-concepts, "Alternate representations of resources" and "Receiving resources as Tables" (v1.36).
We write JSON and YAML; Kubernetes protobuf is read, never written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chalicelib.apimachinery.rules.status import not_acceptable

Shape = Literal["object", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"]

MEDIA_TYPES = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
JSON_TYPES = ("application/json", "application/*", "*/*")
SHAPES: tuple[Shape, ...] = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


@dataclass(frozen=True, slots=True)
class Representation:
    """How to write an answer: as the object itself or converted, in JSON or YAML."""

    shape: Shape = "object"
    shape_version: str = "v1"
    is_yaml: bool = False
    is_pretty: bool = False


def parse_accept(header: str) -> list[tuple[str, dict[str, str]]]:
    """Return the media types of an Accept header with their parameters, in order of preference."""
    entries = []
    for index, part in enumerate(header.split(",")):
        name, *rest = [piece.strip() for piece in part.split(";")]
        params = dict(piece.split("=", 1) for piece in rest if "=" in piece)
        try:
            quality = float(params.get("q", "1"))
        except ValueError:
            quality = 0.0
        if name:
            entries.append((-quality, index, name.lower(), params))
    return [(name, params) for _, _, name, params in sorted(entries, key=lambda entry: entry[:2])]


def negotiate(header: str, *, is_list: bool, is_pretty: bool = False) -> Representation:
    """Return the representation for an Accept header. Raises 406 if we write none of those asked for."""
    if not header.strip():
        return Representation(is_pretty=is_pretty)
    seen_shape = False
    for name, params in parse_accept(header):
        is_yaml = name == "application/yaml"
        if not is_yaml and name not in JSON_TYPES:
            continue
        shape = params.get("as")
        if shape is None:
            return Representation(is_yaml=is_yaml, is_pretty=is_pretty)
        seen_shape = True
        for known in SHAPES:
            if shape == known and params.get("g") == "meta.k8s.io" and params.get("v") in ("v1", "v1beta1"):
                return Representation(known, params["v"], is_yaml, is_pretty)
    if seen_shape:
        raise not_acceptable("only the following media types are accepted: " + ", ".join(MEDIA_TYPES))
    kinds = list(MEDIA_TYPES)
    if is_list:
        kinds += ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"]
    error = not_acceptable("406: Not Acceptable\n\nAvailable representations: " + ", ".join(kinds))
    error.details = {}
    raise error
