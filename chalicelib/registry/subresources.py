"""Subresources: what there is beside whole objects, such as pods/status, pods/log and deployments/scale.

As in kube-apiserver, one that updates a part of its object has a strategy of its own; those that act
(pods/eviction) are answered by the edge.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass

from chalicelib.apimachinery.accessors import spec_of, status_of
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON

READ_VERBS: tuple[str, ...] = ("get", "list", "watch")
WRITE_VERBS: tuple[str, ...] = ("create", "delete", "deletecollection", "patch", "update")
PROXY_VERBS: tuple[str, ...] = ("create", "delete", "get", "patch", "update")
PART_VERBS: tuple[str, ...] = ("get", "patch", "update")


class PartStrategy:
    """How a subresource updates its part of an object. Pure, as a Strategy is."""

    def prepare_for_update(self, obj: JSON, old: JSON) -> None:
        """Make `obj`, in place, what `old` is but for what this subresource may change."""

    def validate_update(self, obj: JSON, old: JSON) -> Iterable[Cause]:
        """Return what is wrong with `obj` as the successor of `old`, apart from its metadata."""
        del obj, old
        return []


@dataclass(frozen=True, slots=True)
class Subresource:
    """One subresource of a kind: its row in discovery, its rows in the default roles, and its strategy."""

    name: str
    kind: str  # what it takes and answers with
    group_version: tuple[str, str] = ("", "")  # of that kind; empty for the resource's own
    verbs: tuple[str, ...] = PART_VERBS
    part: PartStrategy | None = None  # None for one that acts, or shows something else
    in_view: bool = False  # the role `view` may read it
    edit_verbs: tuple[str, ...] = ()  # what the role `edit` may do beside


class StatusStrategy(PartStrategy):
    """/status: all but status and metadata stays as it was.

    `initial` is the status of a new object. `condition_times` are the fields of conditions that are written as null
    where they are not given.
    """

    def __init__(self, initial: JSON | None = None, *, condition_times: tuple[str, ...] = ()) -> None:
        self.initial = initial or {}
        self.condition_times = condition_times

    def prepare_for_update(self, obj: JSON, old: JSON) -> None:
        """Keep, in place, everything but status and metadata as in `old`."""
        for key in [key for key in obj if key not in ("metadata", "status", "kind", "apiVersion")]:
            del obj[key]
        obj.update({key: value for key, value in old.items() if key not in ("metadata", "status")})
        if self.condition_times:
            for condition in status_of(obj).get("conditions") or ():
                for key in self.condition_times:
                    condition.setdefault(key, None)

    def reset(self, obj: JSON) -> None:
        """Give, in place, a new object its first status, whatever a client has sent."""
        obj["status"] = copy.deepcopy(self.initial)

    def keep(self, obj: JSON, old: JSON) -> None:
        """Give, in place, an object updated as a whole the status that it has."""
        obj["status"] = old.get("status") or copy.deepcopy(self.initial)


class SpecFieldStrategy(PartStrategy):
    """A subresource for one field of spec: all else stays as it was."""

    def __init__(self, field: str) -> None:
        self.field = field

    def prepare_for_update(self, obj: JSON, old: JSON) -> None:
        """Make `obj`, in place, what `old` is but for that field."""
        changed = spec_of(obj).get(self.field)
        version = obj["metadata"].get("resourceVersion", "")
        obj.clear()
        obj.update(old)
        obj["metadata"] = {**old["metadata"], "resourceVersion": version}
        obj["spec"] = dict(spec_of(old))
        if changed:
            obj["spec"][self.field] = changed
        else:
            obj["spec"].pop(self.field, None)
