"""What all registries of one control plane share: storage, clock, and what admission and controllers do on a write.

With it the scope of a request, and what storage errors are to a client.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Literal, Protocol

from chalicelib.apimachinery.rules.status import StatusError, already_exists, conflict, expired, not_found, unavailable
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.listing import Matches
from chalicelib.registry.options import DeleteOptions
from chalicelib.registry.strategy import Strategy
from chalicelib.storage.base import (
    Change,
    KeyExists,
    KeyNotFound,
    ObjectTooLarge,
    Reader,
    RevisionConflict,
    RevisionExpired,
    Storage,
    StorageUnavailable,
    StoredObject,
)
from chalicelib.storage.keys import parse_key, stored_metadata


@contextmanager
def translated(strategy: Strategy, name: str) -> Iterator[None]:
    """Raise, for a storage error inside, the StatusError that a client understands.

    `name` is the object's as the request has it; one that is generated is known by the key that exists.
    """
    resource, group = strategy.resource, strategy.group
    try:
        yield
    except KeyNotFound as error:
        raise not_found(resource, name, group=group) from error
    except KeyExists as error:
        raise already_exists(resource, name or parse_key(str(error))[2], group=group) from error
    except RevisionConflict as error:
        raise conflict(resource, name, group=group) from error
    except RevisionExpired as error:
        raise expired(f"too old resource version: {error.revision} ({error.oldest})") from error
    except ObjectTooLarge as error:
        message = f"etcdserver: request is too large: {error.size_bytes} bytes, the limit is {error.limit_bytes}"
        raise StatusError(413, "RequestEntityTooLarge", message) from error
    except StorageUnavailable as error:
        raise store_unavailable(error) from error


def store_unavailable(error: StorageUnavailable) -> StatusError:
    """Return the 503 for a store that did not take an operation; the client may repeat its request."""
    return unavailable(f"the object store is not available: {error}")


class Scope(Protocol):
    """Decides about single objects, each as it is stored at that moment. Every check raises 403.

    `owner` is the uid of the pod for whose objects alone the rights hold, "" where they hold for all.
    """

    owner: str

    def sees(self, metadata: JSON) -> bool:
        """Return whether an object with that metadata shows in lists and watches."""
        ...

    def check_read(self, stored: StoredObject) -> None:
        """Check that an object may be read, or acted on through a subresource."""
        ...

    def check_new(self, resource: str, obj: JSON) -> None:
        """Check that a new object may be stored, and put it into the scope, in place."""
        ...

    def check_write(self, resource: str, obj: JSON) -> None:
        """Check that a stored object may be changed at all, before anything is said of it."""
        ...

    def check_change(self, resource: str, old: JSON, new: JSON) -> None:
        """Check that one object may take the place of the other."""
        ...

    def check_delete(self, resource: str, obj: JSON, options: DeleteOptions) -> None:
        """Check that an object may be deleted in that way."""
        ...


class Everything:
    """The scope of a request whose rights hold for all objects."""

    owner = ""

    def sees(self, metadata: JSON) -> bool:
        """Return True."""
        del metadata
        return True

    def check_read(self, stored: StoredObject) -> None:
        """Do nothing, as the other checks."""

    def check_new(self, resource: str, obj: JSON) -> None:
        """Do nothing."""

    def check_write(self, resource: str, obj: JSON) -> None:
        """Do nothing."""

    def check_change(self, resource: str, old: JSON, new: JSON) -> None:
        """Do nothing."""

    def check_delete(self, resource: str, obj: JSON, options: DeleteOptions) -> None:
        """Do nothing."""


EVERYTHING: Scope = Everything()


def seen_by(scope: Scope, matches: Matches | None) -> Matches | None:
    """Return what tells whether a stored text matches and is in the scope; None if all do."""
    if scope is EVERYTHING:
        return matches

    def both(text: str) -> bool:
        return (matches is None or matches(text)) and scope.sees(stored_metadata(text))

    return both


WriteEvent = Literal["ADDED", "MODIFIED", "DELETED"]


utc_now = partial(datetime.now, UTC)  # the time of day, aware UTC


def new_uid() -> str:
    """Return a fresh metadata.uid."""
    return str(uuid.uuid4())


class Admission(Protocol):
    """Decides about objects before they are stored. `now` is what is stored."""

    def admit(self, resource: str, obj: JSON, now: Reader) -> list[str]:
        """Complete an object in place; return warnings. Raises 403."""
        ...

    def complete_change(self, resource: str, subresource: str, obj: JSON, old: JSON) -> list[str]:
        """Complete in place what a client wants an object to become, before what may not change is put back.

        Return warnings.
        """
        ...

    def admit_change(self, resource: str, new: JSON, old: JSON, *, is_dry_run: bool) -> AbstractContextManager[None]:
        """Judge what an object becomes, which is stored inside the context, and reserve for it. Raises 403."""
        ...

    def companions(self, resource: str, obj: JSON) -> Sequence[tuple[str, JSON]]:
        """Return what is stored together with a new object, complete, each with its resource."""
        ...

    def reserve(
        self, resource: str, obj: JSON, now: Reader, *, user: str, is_dry_run: bool
    ) -> AbstractContextManager[None]:
        """Reserve for an object that is stored inside the context, and mark it in place. Raises 403."""
        ...


class Observer(Protocol):
    """Hears of each write. Never raises, but for before_removal."""

    def before_removal(self, resource: str, obj: JSON) -> Sequence[Change]:
        """Take note of an object that is about to be removed; return what is written with that. Raises StorageError."""
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
