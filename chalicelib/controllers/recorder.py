"""Recorder: what happened to an object, as core/v1 Events that kubectl describe shows.

The same event again counts up instead of adding an object. Compare k8s.io/client-go/tools/record (v1.36).
Never fails its caller: an Event is news, not state.
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal, Protocol

from chalicelib.apimachinery.status import JSON
from chalicelib.apimachinery.time import find_time, format_time
from chalicelib.controllers.background import Later, inline
from chalicelib.registry.keys import object_key, prefix
from chalicelib.storage.base import (
    KeyExists,
    KeyNotFound,
    RevisionConflict,
    Storage,
    StorageError,
    guaranteed_update,
)

LOG = logging.getLogger(__name__)

EventType = Literal["Normal", "Warning"]

COMPONENT = "sparkanywhere"
KEEP_SECONDS = 3600  # an hour, as a real server's --event-ttl
MESSAGE_LIMIT = 1024  # characters; the API's own limit
EVENTS_PER_OBJECT = 50  # distinct ones, against an object whose messages never repeat
# Events of the same second are shown in the order of their names: those of a start get theirs by its steps
ORDER = {"Scheduled": 0, "Pulling": 1, "Pulled": 2, "Created": 3, "Started": 4}
LAST = 9
OBJECTS_COUNTED = 10_000  # objects whose events are counted; the oldest are forgotten
NAME_LIMIT = 253 - 17  # characters of the object's name in the Event's, which ends in a dot and 16 digits


class Recorder(Protocol):
    """Takes note of events."""

    def event(
        self, obj: JSON, type: EventType, reason: str, message: str, *, kind: str = "Pod", part: str = ""
    ) -> None:
        """Record that `reason` happened to `obj`, or to the part of it at that field path.

        Returns at once and never raises.
        """
        ...


class EventRecorder:
    """Writes Events to a Storage. `later` keeps the writes out of the caller's way."""

    def __init__(
        self,
        storage: Storage,
        *,
        clock: Callable[[], datetime],
        new_uid: Callable[[], str],
        later: Later = inline,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._new_uid = new_uid
        self._later = later
        self._counts: OrderedDict[str, set[str]] = OrderedDict()

    def event(
        self, obj: JSON, type: EventType, reason: str, message: str, *, kind: str = "Pod", part: str = ""
    ) -> None:
        """Write the Event, or count up the one there is."""
        metadata = obj["metadata"]
        about = {"kind": kind, "apiVersion": "v1", **({"fieldPath": part} if part else {})}
        event = _event(metadata, type, reason, message[:MESSAGE_LIMIT], about=about)
        if self._is_within_bounds(str(metadata.get("uid", "")), event["metadata"]["name"]):
            self._later(lambda: self._write(event))

    def expire(self, keep_seconds: float = KEEP_SECONDS) -> None:
        """Remove Events last seen longer ago than that, whoever wrote them."""
        oldest = self._clock() - timedelta(seconds=keep_seconds)
        for stored in self._storage.list(prefix("events")).items:
            event = stored.object()
            times = (
                event.get("lastTimestamp"),
                event.get("eventTime"),
                event["metadata"].get("creationTimestamp"),
            )
            seen = next((found for text in times if (found := find_time(text))), None)
            if seen is not None and seen < oldest:
                try:
                    self._storage.delete(stored.key, expected_revision=stored.revision)
                except (KeyNotFound, RevisionConflict):
                    continue  # it has just been counted up, or removed by somebody else

    def _is_within_bounds(self, uid: str, name: str) -> bool:
        names = self._counts.setdefault(uid, set())
        self._counts.move_to_end(uid)
        while len(self._counts) > OBJECTS_COUNTED:
            self._counts.popitem(last=False)
        if len(names) < EVENTS_PER_OBJECT:
            names.add(name)
        return name in names

    def _write(self, event: JSON) -> None:
        now = format_time(self._clock())
        key = object_key("events", event["metadata"]["namespace"], event["metadata"]["name"])
        stamp = {"creationTimestamp": now, "uid": self._new_uid()}
        fresh = {**event, "metadata": {**event["metadata"], **stamp}}
        fresh.update(firstTimestamp=now, lastTimestamp=now, count=1)
        try:
            try:
                self._storage.create(key, fresh)
            except KeyExists:
                guaranteed_update(self._storage, key, lambda old: _counted(old, now))
        except StorageError as error:
            LOG.warning("event lost key=%s reason=%s error=%s", key, event["reason"], error)


def _counted(old: JSON, now: str) -> JSON:
    return {**old, "count": int(old.get("count") or 1) + 1, "lastTimestamp": now}


def _event(metadata: JSON, type: EventType, reason: str, message: str, *, about: JSON) -> JSON:
    """Return the Event without its times; its name says which events are the same."""
    wanted = ("namespace", "name", "uid", "resourceVersion")
    involved = {**about, **{field: metadata[field] for field in wanted if metadata.get(field)}}
    same = "\0".join((str(metadata.get("uid", "")), involved.get("fieldPath", ""), type, reason, message))
    digest = f"{ORDER.get(reason, LAST)}{hashlib.sha256(same.encode()).hexdigest()[:15]}"
    return {
        "metadata": {
            "name": f"{metadata['name'][:NAME_LIMIT]}.{digest}",
            "namespace": metadata.get("namespace") or "default",
        },
        "involvedObject": involved,
        "reason": reason,
        "message": message,
        "type": type,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": "",
        "eventTime": None,
    }
