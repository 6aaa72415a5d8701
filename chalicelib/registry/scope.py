"""Scope: which objects one request may see and write, where its rights hold for some objects of a namespace only."""

from __future__ import annotations

from typing import Protocol

from chalicelib.apimachinery.types import JSON
from chalicelib.registry.listing import Matches
from chalicelib.registry.options import DeleteOptions
from chalicelib.storage.base import StoredObject
from chalicelib.storage.encoding import stored_metadata


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
