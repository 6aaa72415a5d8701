"""Scheduler: which pods may run on the provider's node, the sum of all requests kept within what it has.

A pod that is bound, by its spec.nodeName, takes up what it requests until it has ended: that is all there is to know,
and it is in the store. Binding a pod also writes one record for all of the node, so of two processes that bind at once
one finds that it must look again.

Pods are placed in the order of their priorities, and of one priority in that of their creation: one that there is room
for comes before all that are behind it, one that there is not keeps nobody waiting. There is no preemption.
Compare kubernetes/pkg/scheduler, v1.36.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.apimachinery.accessors import is_deleting, is_terminal
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel import scheduling
from chalicelib.controllers.podmodel.resources import pod_totals
from chalicelib.controllers.pods.room import Room
from chalicelib.controllers.runtime.objects import Lookup
from chalicelib.resources.cluster.marks import PROVIDER_LABEL
from chalicelib.storage.base import Change, KeyExists, KeyNotFound, RevisionConflict, Storage, StoredObject
from chalicelib.storage.keys import object_key
from chalicelib.storage.updates import GUARANTEED_UPDATE_ATTEMPTS

BINDINGS = "sparkanywhere-bindings"  # the resource of the record that is written with each binding

Bind = Callable[[JSON], JSON]  # from a pod to the same pod with its node; pure


@dataclass(frozen=True, slots=True)
class Placed:
    """A pod after it was to be bound: as it is stored now, None if it is gone; `why` there is no room for it, if not.

    `overcommits` says that its node's pods ask for more processors than it has.
    """

    stored: StoredObject | None
    why: str = ""
    overcommits: bool = False


class Scheduler:
    """Binds the pods of one node. Safe to call from many threads, and beside other processes on the same store."""

    def __init__(
        self,
        storage: Storage,
        *,
        node_name: str,
        is_bounded: Callable[[], bool],
        shares_cpu: bool,
        new_uid: Callable[[], str],
    ) -> None:
        self._storage = storage
        self._node_name = node_name
        self._is_bounded = is_bounded
        self._shares_cpu = shares_cpu
        self._new_uid = new_uid
        self._guard = threading.Lock()
        self._room = Room(storage, node_name)

    def why_kept_off(self, pod: JSON, lookup: Lookup) -> str:
        """Return why a pod may not run on the node, in the scheduler's words; "" if it may, or has its node."""
        node = None if pod["spec"].get("nodeName") else lookup.find("nodes", "", self._node_name)
        if node is None:
            return ""
        reason = scheduling.why_kept_off(pod, node)
        if not reason and not scheduling.selects(pod, node):
            others = lookup.mentioning("nodes", "", (PROVIDER_LABEL,))
            reason = "" if any(scheduling.selects(pod, each) for each in others) else scheduling.UNMATCHED
        return scheduling.no_node([reason]) if reason else ""

    def why_no_room(self, pod: JSON, key: str) -> str:
        """Return why there is no room for a pod now, "" if there is: binding it decides."""
        with self._guard:
            limits = self._limits(pod, self._bounded_node())
            if limits is None:
                return ""
            self._room.set_aside(key, is_aside=False)
            self._room.look()
            return self._room.verdicts(limits).get(key, "")

    def bind(self, stored: StoredObject, bound: Bind) -> Placed:
        """Give a pod its node if there is room for it. One that asks for nothing that is counted is left as it is.

        Raises RevisionConflict if others are always faster.
        """
        with self._guard:
            for _ in range(GUARANTEED_UPDATE_ATTEMPTS):
                pod = stored.object()
                bounded = self._bounded_node()
                limits = self._limits(pod, bounded)
                if limits is None:
                    return Placed(stored, overcommits=self._overcommits(pod, bounded))
                record = self._record()
                self._room.look()
                if why := self._room.verdicts(limits).get(stored.key, ""):
                    return Placed(stored, why)
                overcommits = self._overcommits(pod, bounded)
                node = Change("MODIFIED", record.key, record.object(), record.revision)
                try:
                    binding = Change("MODIFIED", stored.key, bound(pod), stored.revision)
                    return Placed(self._storage.transact([binding, node])[0], overcommits=overcommits)
                except (KeyNotFound, RevisionConflict):
                    again = self._again(stored.key, pod["metadata"]["uid"])
                if again is None:
                    return Placed(None)
                stored = again
        raise RevisionConflict(stored.key, expected=stored.revision)

    def set_aside(self, key: str) -> None:
        """Note that a pod waits for something else than room: it keeps none for itself until it is tried again."""
        with self._guard:
            self._room.set_aside(key, is_aside=True)

    def placeable(self) -> list[str]:
        """Return the keys of pods without a node that there is room for now, those first that come first.

        Cheap if there are none. Also finds what was written through another process.
        """
        if not self._room.has_waiting():
            return []
        with self._guard:
            node = self._find_node()
            if node is None or scheduling.why_kept_off({}, node):
                return []
            self._room.look()
            verdicts = self._room.verdicts(scheduling.bounds(node, shares_cpu=self._shares_cpu))
            return [key for key, why in verdicts.items() if not why]

    def _bounded_node(self) -> JSON | None:
        """Return the node, empty while it is not stored; None if there is no end to what its pods may ask for."""
        return (self._find_node() or {}) if self._is_bounded() else None

    def _limits(self, pod: JSON, node: JSON | None) -> dict[str, int] | None:
        """Return what the node's pods may ask for together, None if that is nothing to this one."""
        if pod["spec"].get("nodeName") or node is None:
            return None
        limits = scheduling.bounds(node, shares_cpu=self._shares_cpu) if node else {}
        asked = pod_totals(pod["spec"], "requests").items()
        # one that asks for shared processors is bound too, for those that come at the same time
        counts = any(total.nanos and scheduling.is_counted(name, [*limits, "cpu"]) for name, total in asked)
        return limits if counts else None

    def _overcommits(self, pod: JSON, node: JSON | None) -> bool:
        """Return whether processors are shared and this pod makes them too few: it counts once, bound or not."""
        asked = scheduling.requests(pod["spec"], ["cpu"]).get("cpu", 0)
        if not (asked and node and self._shares_cpu):
            return False
        self._room.look()
        uncounted = 0 if pod["spec"].get("nodeName") else asked
        return self._room.used("cpu") + uncounted > scheduling.allocatable(node).get("cpu", 0)

    def _find_node(self) -> JSON | None:
        try:
            return self._storage.get(object_key("nodes", None, self._node_name)).object()
        except KeyNotFound:
            return None

    def _record(self) -> StoredObject:
        key = object_key(BINDINGS, None, self._node_name)
        try:
            return self._storage.get(key)
        except KeyNotFound:
            try:
                return self._storage.create(key, {"metadata": {"name": self._node_name, "uid": self._new_uid()}})
            except KeyExists:
                return self._storage.get(key)

    def _again(self, key: str, uid: str) -> StoredObject | None:
        """Return a pod as it is stored now, None if it is gone, ends, or is another one of the name."""
        try:
            stored = self._storage.get(key)
        except KeyNotFound:
            return None
        pod = stored.object()
        is_same = pod["metadata"]["uid"] == uid and not is_deleting(pod) and not is_terminal(pod)
        return stored if is_same else None
