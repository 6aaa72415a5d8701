"""PodIndex: what controllers that go through all pods know of each, kept up to date by the store's events.

Pods that have ended are most of a large store. Their text is let go of; what is asked of them is read once, when they
end. Compare the informers of k8s.io/client-go/tools/cache (v1.36), which keep every object.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from chalicelib.apimachinery.accessors import annotations_of, is_deleting, is_terminal, labels_of, owners_of, phase_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.container_status import finished_at
from chalicelib.controllers.podmodel.parked import is_parked, is_to_keep_warm
from chalicelib.controllers.podmodel.record import handle_of, version_of
from chalicelib.controllers.runtime.objects import ENDED_POD, paged
from chalicelib.resources.pods.marks import KEEP_WARM, TTL_ANNOTATION
from chalicelib.storage.base import EventType, RevisionExpired, Storage
from chalicelib.storage.keys import parse_key, prefix, stored_metadata

PODS = prefix("pods")
FEW_CHANGES = 1000  # and as many as there are pods: beyond that, to read the pods is less than to read the changes
LIST_SECONDS = 600.0  # then all are read again, whatever the events have said


@dataclass(frozen=True, slots=True)
class Ending:
    """What is kept of a pod that has ended."""

    at: datetime | None
    has_failed: bool
    role: str  # Spark's label
    is_parked: bool
    ttl: str  # as the client wrote it
    keep_warm: str  # for how long, as the client wrote it, while it has not been done


@dataclass(frozen=True, slots=True)
class IndexedPod:
    """A pod as of `revision`; `json` is "" for one that has ended and is not being deleted.

    `handle` is its task's, "" without one, and `version` that of the last state recorded.
    """

    key: str
    revision: int
    uid: str
    owners: tuple[str, ...]  # uids
    json: str
    ending: Ending | None
    handle: str
    version: int | None
    is_deleting: bool

    @property
    def namespace(self) -> str:
        """Return the pod's namespace."""
        return parse_key(self.key)[1]

    def object(self) -> JSON:
        """Return the pod, decoded anew at each call."""
        decoded: JSON = json.loads(self.json)
        return decoded


def indexed(key: str, revision: int, text: str) -> IndexedPod:
    """Return what is kept of a stored pod."""
    pod: JSON = json.loads(text) if ENDED_POD.search(text) else {"metadata": stored_metadata(text)}
    ending, is_leaving = None, is_deleting(pod)
    if is_terminal(pod):
        ending = Ending(
            at=finished_at(pod),
            has_failed=phase_of(pod) == "Failed",
            role=str(labels_of(pod).get("spark-role", "")),
            is_parked=is_parked(pod),
            ttl=str(annotations_of(pod).get(TTL_ANNOTATION, "")),
            keep_warm=annotations_of(pod)[KEEP_WARM] if is_to_keep_warm(pod) else "",
        )
    return IndexedPod(
        key=key,
        revision=revision,
        uid=pod["metadata"]["uid"],
        owners=tuple(each["uid"] for each in owners_of(pod)),
        json=text if ending is None or is_leaving else "",
        ending=ending,
        handle=handle_of(pod),
        version=version_of(pod),
        is_deleting=is_leaving,
    )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All pods as of one moment, or later. `unfinished` are those that have not ended, or are being deleted."""

    by_uid: Mapping[str, IndexedPod]
    unfinished: tuple[IndexedPod, ...]

    @property
    def ended(self) -> Iterator[tuple[IndexedPod, Ending]]:
        """Yield the pods that have ended, each with how."""
        return ((each, each.ending) for each in self.by_uid.values() if each.ending)


class PodIndex:
    """Safe to call from many threads. What it gives is as new as the call, and decides nothing: a write does."""

    def __init__(self, storage: Storage, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._storage = storage
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._pods: dict[str, IndexedPod] = {}  # by key
        self._snapshot = Snapshot({}, ())
        self._revision = 0
        self._list_at: float | None = None

    def look(self) -> Snapshot:
        """Return all pods as they are stored now; it costs as much as has changed. Raises StorageError."""
        with self._lock:
            now = self._storage.revision()
            is_far = now - self._revision > FEW_CHANGES + len(self._pods)
            if self._list_at is None or is_far or self._monotonic() >= self._list_at:
                self._list(now)
            if self._follow(now):
                self._snapshot = self._taken()
            return self._snapshot

    def _list(self, revision: int) -> None:
        """Read all pods as of a revision or later; what has changed since is left to the events after it."""
        known, listed = self._pods, dict[str, IndexedPod]()
        for item in paged(self._storage, "pods"):
            old = known.get(item.key)
            is_same = old is not None and old.revision == item.revision
            listed[item.key] = old if old and is_same else indexed(item.key, item.revision, item.json)
        self._pods, self._revision = listed, revision
        self._list_at = self._monotonic() + LIST_SECONDS
        self._snapshot = self._taken()

    def _follow(self, now: int) -> bool:
        """Take in the events up to a revision; return whether there were any."""
        has_changed = False
        while self._revision < now:
            try:
                batch = self._storage.events_after(PODS, self._revision)
            except RevisionExpired:
                self._list(now)
                continue
            for event in batch.events:
                self._take(event.type, event.key, event.revision, event.json)
            has_changed = has_changed or bool(batch.events)
            self._revision = batch.revision
        return has_changed

    def _take(self, kind: EventType, key: str, revision: int, text: str) -> None:
        old = self._pods.get(key)
        if old is not None and old.revision >= revision:
            return  # a page of the list was newer
        if kind == "DELETED":
            self._pods.pop(key, None)
        else:
            self._pods[key] = indexed(key, revision, text)

    def _taken(self) -> Snapshot:
        pods = self._pods.values()
        return Snapshot({each.uid: each for each in pods}, tuple(each for each in pods if each.json))
