"""How an object lies in a store: under which key, and as which text.

Keys form an ordered key space. In the text `metadata.resourceVersion` always stands first, so a revision is put in, or
exchanged, without decoding the rest. Text is ASCII: its length is its size in bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.apimachinery.types import JSON

# News: objects that only tell what happened, and how many seconds after their last write a store may drop them by
# itself (None: never). See base.Storage for what is promised of them.
NEWS: Mapping[str, float | None] = {"events": 3600.0, "podrecords": None, "sparkanywhere-usage": None}

_HEAD = '{"metadata":{"resourceVersion":"'
_REVISION_FIRST = {"resourceVersion": ""}  # a dict keeps the place of a name's first appearance
# One encoder for all: json.dumps with arguments builds a new one at each call.
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_decode_at = json.JSONDecoder().raw_decode
_METADATA_AT = len('{"metadata":')


@dataclass(frozen=True, slots=True)
class Draft:
    """An encoded object that lacks only its revision."""

    uid: str
    owners: tuple[str, ...]  # uids in metadata.ownerReferences, sorted, each once
    labels: tuple[str, ...]  # as label_term has them
    tail: str

    @property
    def size_bytes(self) -> int:
        """Return the size of the text, as if the revision had no digits."""
        return len(_HEAD) + len(self.tail)

    def at(self, revision: int) -> str:
        """Return the text to store for this revision."""
        return f"{_HEAD}{revision}{self.tail}"


def draft(obj: JSON) -> Draft:
    """Encode `obj` but for its revision; kind and apiVersion are left out.

    Raises ValueError if metadata.uid is missing or a number is not one of JSON's (NaN, infinity).
    """
    metadata = obj.get("metadata", {})
    uid = metadata.get("uid")
    if not isinstance(uid, str) or not uid:
        raise ValueError("metadata.uid must be set before an object is stored")
    rest = {name: value for name, value in obj.items() if name not in ("kind", "apiVersion", "metadata")}
    text = _encode({"metadata": {**_REVISION_FIRST, **metadata, **_REVISION_FIRST}, **rest})
    owners = {owner["uid"] for owner in metadata.get("ownerReferences") or [] if owner.get("uid")}
    labels = (label_term(name, value) for name, value in (metadata.get("labels") or {}).items())
    return Draft(uid=uid, owners=tuple(sorted(owners)), labels=tuple(labels), tail=text[len(_HEAD) :])


def label_term(name: str, value: str) -> str:
    """Return a label as one text, by which it is looked up: no name of a label has an equals sign."""
    return f"{name}={value}"


def restamp(text: str, revision: int) -> str:
    """Return a stored text with another revision in it."""
    end_of_revision = text.index('"', len(_HEAD))
    return f"{_HEAD}{revision}{text[end_of_revision:]}"


def revision_of(text: str) -> int:
    """Return the revision that a stored text carries."""
    return int(text[len(_HEAD) : text.index('"', len(_HEAD))])


def stored_metadata(text: str) -> JSON:
    """Return the metadata of a stored text; the rest, which is most of a pod, is not decoded."""
    metadata: JSON = _decode_at(text, _METADATA_AT)[0]
    return metadata


def prefix(resource: str, namespace: str | None = None) -> str:
    """Return the prefix of all objects of a resource, or of those in one namespace."""
    return f"/registry/{resource}/{namespace}/" if namespace else f"/registry/{resource}/"


def object_key(resource: str, namespace: str | None, name: str) -> str:
    """Return the key of one object; `namespace` is None (or empty) for cluster-scoped resources."""
    return prefix(resource, namespace) + name


def parse_key(key: str) -> tuple[str, str, str]:
    """Return (resource, namespace or "", name) of a key that object_key made."""
    _, _, resource, *rest = key.split("/")
    return (resource, rest[0], rest[1]) if len(rest) == 2 else (resource, "", rest[0])


def prefix_range(prefix: str, start_key: str | None = None) -> tuple[str, str]:
    """Return (first key, first key beyond) of a prefix, from `start_key` on if it lies inside.

    Raises ValueError for a prefix without its final slash, which would match half a name.
    """
    if not prefix.endswith("/"):
        raise ValueError(f"a prefix ends in a slash: {prefix!r}")
    beyond = prefix[:-1] + chr(ord("/") + 1)
    return max(prefix, start_key or prefix), beyond


def split_key(key: str) -> tuple[str, str]:
    """Return (resource, what follows it) of a key or prefix: `/registry/pods/a/b` -> (`pods`, `a/b`).

    Raises ValueError for a key of another form.
    """
    root, registry, resource, *rest = key.split("/", 3)
    if (root, registry) != ("", "registry") or not resource or not rest:
        raise ValueError(f"neither a key nor a prefix: {key!r}")
    return resource, rest[0]
