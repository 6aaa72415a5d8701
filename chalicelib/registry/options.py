"""What a request asks for besides its object: the options of each verb, decoded and checked once.

Reference: Kubernetes API reference v1.36, ListOptions, CreateOptions, DeleteOptions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from chalicelib.apimachinery.decoding.decode import Validation
from chalicelib.apimachinery.rules.selectors import FieldSelector, LabelSelector
from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import StoredObject

Propagation = Literal["", "Background", "Foreground", "Orphan"]
PatchType = Literal["json", "merge", "strategic", "apply"]


@dataclass(frozen=True, slots=True)
class ListOptions:
    """Options of list, watch and deletecollection. timeout_seconds None means the server's choice."""

    labels: LabelSelector | None = None
    fields: FieldSelector | None = None
    limit: int = 0
    continue_token: str = ""
    resource_version: str = ""
    resource_version_match: str = ""
    allow_bookmarks: bool = False
    send_initial_events: bool = False
    timeout_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Options of create, update and patch; `known` is what the request has read before, for a decision to go by.

    `user` is who asks for it, "" where that is a controller of ours.
    `marks` are annotations that a new object gets after admission, which takes them from what clients send.
    """

    field_manager: str = "unknown"
    known: tuple[StoredObject, ...] = ()
    user: str = ""
    marks: Mapping[str, str] = field(default_factory=dict)
    dry_run: bool = False
    force: bool = False
    permit_create: Callable[[], None] | None = None  # raises 403 if a PUT or apply may not create what is missing
    permit: Callable[[JSON, JSON | None], None] | None = (
        None  # raises 403 if the caller may not store a new object for an old
    )


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """Options of delete; uid and resource_version are preconditions, empty for none."""

    grace_seconds: int | None = None
    propagation: Propagation = ""
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch as sent: `document` is a list for JSON patches, an object for the other types."""

    type: PatchType
    document: object
    validation: Validation = "Warn"  # what becomes of fields that the kind does not have


@dataclass(frozen=True, slots=True)
class Written:
    """The result of a write. `warnings` become Warning headers; `removed` says that the object is no longer stored."""

    stored: StoredObject
    created: bool = False
    removed: bool = False
    warnings: list[str] = field(default_factory=list)
