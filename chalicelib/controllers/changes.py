"""Changes: what is called before and after the writes of each resource.

Publishers are the registries, and the PodController where it takes a pod out of the store itself (REMOVED) or
writes a pod's status (STATUS).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import Change

Event = Literal["ADDED", "MODIFIED", "DELETED", "REMOVED", "STATUS"]
Reaction = Callable[[str, JSON], None]  # of a resource and its object, as stored

ANY = "*"  # every resource


class Changes:
    """Calls the reactions to an event of a resource in the order in which they subscribed, those to ANY last."""

    def __init__(self, *, before_removal: Mapping[str, Callable[[JSON], Sequence[Change]]]) -> None:
        self._before_removal = before_removal
        self._reactions: dict[tuple[str, Event], list[Reaction]] = {}

    def subscribe(self, resource: str, events: Iterable[Event], *reactions: Reaction) -> None:
        """Have reactions called after these events of a resource. They may not raise."""
        for event in events:
            self._reactions.setdefault((resource, event), []).extend(reactions)

    def before_removal(self, resource: str, obj: JSON) -> Sequence[Change]:
        """Do what a resource's objects need before they are removed; return what is written with that.

        Raises StorageError.
        """
        return self._before_removal[resource](obj) if resource in self._before_removal else ()

    def after_write(self, resource: str, obj: JSON, event: Event) -> None:
        """Call the reactions to an event."""
        for key in ((resource, event), (ANY, event)):
            for react in self._reactions.get(key, ()):
                react(resource, obj)

    def pod_removed(self, pod: JSON) -> None:
        """Call the reactions to a pod that the PodController has taken out of the store."""
        self.after_write("pods", pod, "REMOVED")

    def pod_changed(self, pod: JSON) -> None:
        """Call the reactions to a pod whose status the PodController has written."""
        self.after_write("pods", pod, "STATUS")

    def namespace_removed(self, resource: str, obj: JSON) -> None:
        """Call the reactions to an object that went with its namespace."""
        self.after_write(resource, obj, "DELETED")
