"""How an object becomes the text that a backend stores, and how that text gets its revision.

`metadata.resourceVersion` always stands first, so a revision is put in, or exchanged, without decoding
or encoding anything again. Text is ASCII: its length is its size in bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from chalicelib.apimachinery.types import JSON

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
    return Draft(uid=uid, owners=tuple(sorted(owners)), tail=text[len(_HEAD) :])


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
