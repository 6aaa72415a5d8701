"""What all registries of one control plane share: storage, clock, and the hooks of admission and controllers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import Reader, Storage

WriteEvent = Literal["ADDED", "MODIFIED", "DELETED"]
AfterWrite = Callable[[str, JSON, WriteEvent], None]
# (resource, new object, what is stored, is a dry run)
Room = Callable[[str, JSON, Reader, bool], AbstractContextManager[None]]
BeforeRemoval = Callable[[str, JSON], None]  # (resource, object about to be taken out of the store)
Admit = Callable[
    [str, JSON, Reader], list[str]
]  # (resource, object changed in place, what is stored) -> warnings


def _plenty(resource: str, obj: JSON, now: Reader, is_dry_run: bool) -> AbstractContextManager[None]:
    """Let every object in: for who keeps no quotas."""
    del resource, obj, now, is_dry_run
    return nullcontext()


def _tell_nobody(resource: str, obj: JSON) -> None:
    """Let every object go: for who keeps no record of them."""
    del resource, obj


@dataclass(frozen=True, slots=True)
class RegistryParts:
    """What all registries of one control plane share."""

    storage: Storage
    clock: Callable[[], datetime]
    new_uid: Callable[[], str]
    pick: Callable[[str], str]  # one character of a text, at random
    after_write: AfterWrite
    admit: Admit
    room: Room = _plenty
    before_removal: BeforeRemoval = _tell_nobody
