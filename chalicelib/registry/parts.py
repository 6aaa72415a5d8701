"""What all registries of one control plane share: storage, clock, and what admission and controllers do on a write."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Literal, Protocol

from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import Reader, Storage

WriteEvent = Literal["ADDED", "MODIFIED", "DELETED"]


utc_now = partial(datetime.now, UTC)  # the time of day, aware UTC


def new_uid() -> str:
    """Return a fresh metadata.uid."""
    return str(uuid.uuid4())


class Admission(Protocol):
    """Decides about new objects before they are stored. `now` is what is stored."""

    def admit(self, resource: str, obj: JSON, now: Reader) -> list[str]:
        """Complete an object in place; return warnings. Raises 403."""
        ...

    def companions(self, resource: str, obj: JSON) -> Sequence[tuple[str, JSON]]:
        """Return what is stored together with a new object, complete, each with its resource."""
        ...

    def reserve(self, resource: str, obj: JSON, now: Reader, *, is_dry_run: bool) -> AbstractContextManager[None]:
        """Reserve quota for an object that is stored inside the context. Raises 403."""
        ...


class Observer(Protocol):
    """Hears of each write. Never raises, but for before_removal."""

    def before_removal(self, resource: str, obj: JSON) -> None:
        """Take note of an object that is about to be removed from the store. Raises StorageError."""
        ...

    def after_write(self, resource: str, obj: JSON, event: WriteEvent) -> None:
        """Begin what follows from a write."""
        ...


@dataclass(frozen=True, slots=True)
class RegistryParts:
    """What all registries of one control plane share. `pick` returns one character of a text, at random."""

    storage: Storage
    admission: Admission
    observer: Observer
    clock: Callable[[], datetime] = utc_now
    new_uid: Callable[[], str] = new_uid
    pick: Callable[[str], str] = random.choice
