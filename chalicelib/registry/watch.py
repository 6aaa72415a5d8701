"""Watch: a walk over stored events as one iterator of frames; the edge decides how they leave.

Reference: kubernetes.io/docs/reference/using-api/api-concepts, "Efficient detection of changes",
"Watch bookmarks" and "Streaming lists" (v1.36).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from chalicelib.apimachinery.rules.status import StatusError, expired
from chalicelib.registry.listing import Matches, list_page, required_revision, wait_for_revision
from chalicelib.registry.options import ListOptions
from chalicelib.storage.base import RevisionExpired, Storage, StorageUnavailable, StoredObject, WatchEvent

FrameType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]

BOOKMARK_SECONDS = 60.0  # how often a quiet watch hears the current revision, as a real server does it
LAST_BOOKMARK_SECONDS = 2.0  # how long before the end the last bookmark comes
IDLE_SECONDS = 5.0  # how often an idle watch gives its edge the chance to see that the client has left
BATCH = 500
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class Frame:
    """One event for the client; `status` is set for ERROR only, `is_initial_end` for that bookmark."""

    type: FrameType
    stored: StoredObject
    status: StatusError | None = None
    is_initial_end: bool = False


@dataclass(slots=True)
class Watch:
    """A watch under one prefix, from `revision` on, over once `deadline` (monotonic seconds) passes.

    `initial` objects come first as ADDED. `matches` None lets everything through.
    """

    storage: Storage
    prefix: str
    revision: int
    deadline: float
    matches: Matches | None = None
    initial: list[StoredObject] | None = None
    bookmarks: bool = False
    marks_initial_end: bool = False
    monotonic: Callable[[], float] = time.monotonic

    def frames(self) -> Iterator[Frame | None]:
        """Yield frames as they come, and None now and then while nothing does.

        Ends at the deadline, or after an ERROR frame when the events asked for have expired.
        """
        for stored in self.initial or ():
            yield Frame("ADDED", stored)
        if self.marks_initial_end:
            yield self.bookmark(is_initial_end=True)
        try:
            yield from self._live()
        except RevisionExpired as error:
            error_410 = expired(f"too old resource version: {error.revision} ({error.oldest})")
            yield Frame("ERROR", self._nothing(), error_410)
        except StorageUnavailable:
            return  # the client comes back from its last revision and misses nothing

    def _live(self) -> Iterator[Frame | None]:
        next_bookmark = self.monotonic() + BOOKMARK_SECONDS
        last_bookmark = self.deadline - LAST_BOOKMARK_SECONDS
        shown = {(each.key, each.revision) for each in self.initial or ()}  # a list's news may come again
        while True:
            batch = self.storage.events_after(self.prefix, self.revision, limit=BATCH)
            for event in batch.events:
                frame = self._frame(event)
                if frame and (event.key, event.revision) not in shown:
                    yield frame
            self.revision = max(self.revision, batch.revision)
            now = self.monotonic()
            if now >= self.deadline:
                return
            if self.bookmarks and now >= min(next_bookmark, last_bookmark):
                yield self.bookmark()
                next_bookmark = now + BOOKMARK_SECONDS
                last_bookmark = self.deadline if now >= last_bookmark else last_bookmark
            if len(batch.events) < BATCH:
                yield None
                until = min(self.deadline, now + IDLE_SECONDS)
                if self.bookmarks:
                    until = min(until, next_bookmark, last_bookmark)
                self.storage.wait(self.revision, max(until - now, 0.0), self.prefix)

    def bookmark(self, *, is_initial_end: bool = False) -> Frame:
        """Return a BOOKMARK at the revision that this watch has reached."""
        return Frame("BOOKMARK", self._nothing(), is_initial_end=is_initial_end)

    def _nothing(self) -> StoredObject:
        return StoredObject(key=self.prefix, revision=self.revision, json="{}")

    def _frame(self, event: WatchEvent) -> Frame | None:
        kind: FrameType = event.type
        text = event.json
        if self.matches is not None:
            is_in = event.type != "DELETED" and self.matches(event.json)
            was_in = event.previous_json is not None and self.matches(event.previous_json)
            if event.type == "DELETED":
                was_in = was_in or (event.previous_json is None and self.matches(event.json))
            if not (is_in or was_in):
                return None
            kind = "MODIFIED" if is_in and was_in else "ADDED" if is_in else "DELETED"
            if kind == "DELETED" and event.type == "MODIFIED":
                # like a real server: the last state that matched, at the revision at which it ceased to
                last = json.loads(event.previous_json or event.json)
                last["metadata"]["resourceVersion"] = str(event.revision)
                text = json.dumps(last, separators=(",", ":"))
        return Frame(kind, StoredObject(event.key, event.revision, text))


def start_watch(
    storage: Storage, prefix: str, options: ListOptions, matches: Matches | None, *, seconds: float
) -> Watch:
    """Return a watch that ends after `seconds`, from options.resource_version on. Raises 500, 504."""
    revision = required_revision(options.resource_version) if options.resource_version else 0
    initial = None
    if not revision or options.send_initial_events:
        if revision:
            wait_for_revision(storage, prefix, revision)
        listed = list_page(storage, prefix, ListOptions(), matches)
        revision, initial = listed.revision, listed.items
    return Watch(
        storage=storage,
        prefix=prefix,
        revision=revision,
        deadline=time.monotonic() + seconds,
        matches=matches,
        initial=initial,
        bookmarks=options.allow_bookmarks,
        marks_initial_end=options.send_initial_events,
    )
