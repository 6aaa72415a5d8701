"""Room: what the pods of a node take up of it, and which of those without a node there is room for.

A picture of the store in memory, brought up to date by what has been written since. Not thread-safe.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.apimachinery.accessors import is_deleting
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel import scheduling
from chalicelib.controllers.podmodel.record import is_gated
from chalicelib.controllers.podmodel.resources import pod_totals
from chalicelib.controllers.runtime.objects import ENDED_POD
from chalicelib.storage.base import RevisionExpired, Storage
from chalicelib.storage.keys import prefix

PODS = prefix("pods")
BATCH = 500  # events read at once


@dataclass(frozen=True, slots=True)
class _Pod:
    """What a pod asks for, whether it has its node, and which comes first of those that have none."""

    turn: tuple[int, float, int, str]
    asked: Mapping[str, int]
    is_bound: bool
    waits: bool  # for room: not for its gates, nor for its end


class Room:
    """The pods that have not ended and whose node is this one, or none."""

    def __init__(self, storage: Storage, node_name: str) -> None:
        self._storage = storage
        self._node_name = node_name
        self._revision: int | None = None  # that the picture is of
        self._pods: dict[str, _Pod] = {}  # by key
        self._aside: set[str] = set()  # keys of pods that wait for something else than room
        self._limits: Mapping[str, int] = {}
        self._verdicts: dict[str, str] | None = None  # of these limits and pods

    def has_waiting(self) -> bool:
        """Return whether pods were without a node when the picture was last brought up to date."""
        return any(not each.is_bound for each in list(self._pods.values()))

    def set_aside(self, key: str, *, is_aside: bool) -> None:
        """Note whether a pod waits for something else: then it keeps no room for itself."""
        if is_aside != (key in self._aside):
            (self._aside.add if is_aside else self._aside.discard)(key)
            self._verdicts = None

    def look(self) -> None:
        """Bring the picture up to date."""
        while self._revision is not None:
            try:
                batch = self._storage.events_after(PODS, self._revision, limit=BATCH)
            except RevisionExpired:
                break
            for event in batch.events:
                self._take_in(event.key, "" if event.type == "DELETED" else event.json)
            self._revision = batch.revision
            if len(batch.events) < BATCH:
                return
        page = self._storage.list(PODS)
        self._pods.clear()
        for item in page.items:
            self._take_in(item.key, item.json)
        self._revision = page.revision

    def verdicts(self, limits: Mapping[str, int]) -> Mapping[str, str]:
        """Return for each pod without a node, in their order, why it must wait, "" if there is room for it.

        Room that one of them has found is taken for all behind it; one that finds none keeps nobody waiting.
        """
        if self._verdicts is None or limits != self._limits:
            free = {name: limit - self.used(name) for name, limit in limits.items()}
            self._limits, self._verdicts = limits, {}
            waiting = [(pod.turn, key) for key, pod in self._pods.items() if pod.waits and key not in self._aside]
            for _, key in sorted(waiting):
                asked = {
                    name: amount
                    for name, amount in self._pods[key].asked.items()
                    if scheduling.is_counted(name, limits)
                }
                short = scheduling.short_of(asked, free)
                self._verdicts[key] = scheduling.no_node(short) if short else ""
                if not short:
                    free = {name: amount - asked.get(name, 0) for name, amount in free.items()}
        return self._verdicts

    def used(self, name: str) -> int:
        """Return what the pods that have their node ask for of a resource, in nanos."""
        return sum(each.asked.get(name, 0) for each in self._pods.values() if each.is_bound)

    def _take_in(self, key: str, text: str) -> None:
        """Put a pod as it is stored in the place of what was known of it; "" if it is gone."""
        self._verdicts = None
        pod = _read(text, self._node_name) if text and not ENDED_POD.search(text) else None
        if pod is None:
            self._pods.pop(key, None)
            self._aside.discard(key)
        else:
            self._pods[key] = pod


def _read(text: str, node_name: str) -> _Pod | None:
    """Return what of a stored pod counts; None for one of another node."""
    pod: JSON = json.loads(text)
    node = pod["spec"].get("nodeName") or ""
    if node not in ("", node_name):
        return None
    waits = not node and not is_deleting(pod) and not is_gated(pod)
    asked = {name: total.nanos for name, total in pod_totals(pod["spec"], "requests").items() if total.nanos}
    return _Pod(scheduling.turn(pod), asked, bool(node), waits)
