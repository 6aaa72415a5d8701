"""Recorder: news of an object, as core/v1 Events that kubectl describe shows.

The same event again counts up instead of adding an object. Compare k8s.io/client-go/tools/record (v1.36).
Never fails its caller: an Event is news, not state.
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from chalicelib.apimachinery.rules.time import find_time, format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.runtime.background import Later
from chalicelib.storage.base import Change, KeyExists, KeyNotFound, RevisionConflict, Storage, StorageError
from chalicelib.storage.keys import object_key, prefix
from chalicelib.storage.updates import guaranteed_update

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


@dataclass(frozen=True, slots=True)
class News:
    """One Event to be, about an object or the part of it at a field path."""

    type: EventType
    reason: str
    message: str
    part: str = ""


class Recorder:
    """Writes Events to a Storage. `later` keeps the writes out of the caller's way; nothing here raises."""

    def __init__(
        self, storage: Storage, *, clock: Callable[[], datetime], new_uid: Callable[[], str], later: Later
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._new_uid = new_uid
        self._later = later
        self._counts: OrderedDict[str, set[str]] = OrderedDict()

    def record(self, obj: JSON, news: Iterable[News], *, kind: str = "Pod") -> None:
        """Record what happened to `obj`, or count up what is recorded already. Returns at once."""
        for draft in self._drafts(obj, news, kind=kind):
            self._later(partial(self._write, draft))

    def _drafts(self, obj: JSON, news: Iterable[News], *, kind: str) -> Iterator[Change]:
        """Yield the Events that are within an object's bounds, each once, as if it were the first of its kind."""
        metadata, now = obj["metadata"], format_time(self._clock())
        uid = str(metadata.get("uid", ""))
        for each in dict.fromkeys(news):
            event = _event(metadata, each, kind=kind)
            name = event["metadata"]["name"]
            names = self._counts.setdefault(uid, set())
            self._counts.move_to_end(uid)
            while len(self._counts) > OBJECTS_COUNTED:
                self._counts.popitem(last=False)
            if len(names) < EVENTS_PER_OBJECT:
                names.add(name)
            if name in names:
                event["metadata"].update(creationTimestamp=now, uid=self._new_uid())
                event.update(firstTimestamp=now, lastTimestamp=now, count=1)
                yield Change("ADDED", object_key("events", event["metadata"]["namespace"], name), event)

    def expire(self, keep_seconds: float = KEEP_SECONDS) -> None:
        """Remove Events last seen longer ago than that, no matter who wrote them."""
        oldest = self._clock() - timedelta(seconds=keep_seconds)
        for stored in self._storage.list(prefix("events")).items:
            event = stored.object()
            times = (event.get("lastTimestamp"), event.get("eventTime"), event["metadata"].get("creationTimestamp"))
            seen = next((found for text in times if (found := find_time(text))), None)
            if seen is not None and seen < oldest:
                try:
                    self._storage.delete(stored.key, expected_revision=stored.revision)
                except (KeyNotFound, RevisionConflict):
                    continue  # just counted up, or removed by another process

    def _write(self, draft: Change) -> None:
        try:
            self._storage.transact([draft])
        except KeyExists:
            self._count_up(draft)
        except StorageError as error:
            LOG.warning("event lost key=%s error=%s", draft.key, error)

    def _count_up(self, draft: Change) -> None:
        again = (draft.obj or {}).get("lastTimestamp")

        def counted(old: JSON) -> JSON:
            return {**old, "count": int(old.get("count") or 1) + 1, "lastTimestamp": again}

        try:
            guaranteed_update(self._storage, draft.key, counted)
        except StorageError as error:
            LOG.warning("event lost key=%s error=%s", draft.key, error)


def _event(metadata: JSON, news: News, *, kind: str) -> JSON:
    """Return the Event without its times; its name says which events are the same."""
    message = news.message[:MESSAGE_LIMIT]
    wanted = ("namespace", "name", "uid", "resourceVersion")
    involved = {field: metadata[field] for field in wanted if metadata.get(field)}
    about = {"kind": kind, "apiVersion": "v1", **({"fieldPath": news.part} if news.part else {}), **involved}
    same = "\0".join((str(metadata.get("uid", "")), news.part, news.type, news.reason, message))
    digest = f"{ORDER.get(news.reason, LAST)}{hashlib.sha256(same.encode()).hexdigest()[:15]}"
    return {
        "metadata": {
            "name": f"{metadata['name'][:NAME_LIMIT]}.{digest}",
            "namespace": metadata.get("namespace") or "default",
        },
        "involvedObject": about,
        "reason": news.reason,
        "message": message,
        "type": news.type,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": "",
        "eventTime": None,
    }
