"""Watches as HTTP answers: one iterator of frames, buffered on Lambda or streamed by a local server.

Buffered: one complete answer inside the gateway's window, as soon as there are events, else
after a hold that ends with a BOOKMARK; a polled one (polled_watch.py) at once. Streamed: chunks until timeoutSeconds.
In either each frame is a line of JSON with its newline (clients drop one without).

A buffered answer asks for its connection to be closed, for clients that would close it later (fabric8 7); and since
API Gateway renames that header, an answer to these ends with an ERROR.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime

from chalice.app import Response

from chalicelib.apimachinery.rules import table
from chalicelib.apimachinery.rules.status import StatusError, timeout
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.auth.limits import Limits
from chalicelib.endpoints.http.parameters import list_options, namespace_of
from chalicelib.endpoints.http.representation import Shaper
from chalicelib.endpoints.http.requests import RequestInfo
from chalicelib.endpoints.http.responses import JSON_TYPE, Representation, StreamResponse, dumps, negotiate, typed_text
from chalicelib.endpoints.verbs.delivery import MAX_HOLD_SECONDS, Delivery
from chalicelib.endpoints.verbs.polled_watch import Pauses, is_polled, lets_go_late
from chalicelib.registry.registry import Registry
from chalicelib.registry.watch import INITIAL_EVENTS_END, Frame, Watch

# fabric8 7.8 and later take an empty answer in under 2 s for a lost watch and invent a 410.
MIN_HOLD_SECONDS = 2.0
# A real server's --min-request-timeout: watches without timeoutSeconds end after 30 to 60 minutes.
STREAM_SECONDS = 1800.0
MAX_BUFFER_BYTES = 4_000_000  # a Lambda answer may have 6 MB; clients come back for the rest
# The client logs this for each answer, and continues from the last event.
END_OF_ANSWER = "this answer of a watch is complete, the next one goes on from here; nothing is lost"


class WatchEndpoint:
    """Answers watch requests in the one way that its host can deliver."""

    def __init__(
        self,
        shaper: Shaper,
        limits: Limits,
        *,
        delivery: Delivery,
        clock: Callable[[], datetime],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._shaper = shaper
        self._limits = limits
        self._delivery = delivery
        self._streams = delivery.streams
        self._jitter = jitter
        self._pauses = Pauses(clock)
        self._last_line: tuple[object, bytes] = (None, b"")  # what an event says, and as which line

    def answer(self, registry: Registry, info: RequestInfo) -> Response:
        """Return the watch's answer: a stream, a buffer that took up to MAX_HOLD_SECONDS to fill, or a redirect."""
        if elsewhere := self._delivery.redirect(info):
            return elsewhere
        how = negotiate(info.headers.get("accept", ""), is_list=True)
        options = list_options(info, registry.strategy)
        if not self._streams:  # a buffer's one bookmark is its end: one in between would end the hold
            options = replace(options, allow_bookmarks=False)
        namespace, asked = namespace_of(registry, info), float(options.timeout_seconds or 0)
        if self._streams:

            def begin(longest: float | None) -> Iterator[bytes]:
                wanted = asked or STREAM_SECONDS * (1 + self._jitter())
                watch = registry.watch(namespace, options, seconds=min(wanted, longest or wanted))
                return self._limits.watch(info.user.name, self._lines(registry, watch, how, info))

            return StreamResponse(self._delivery.stream(info, begin), content_type=JSON_TYPE)
        polled = is_polled(info)
        seconds = min(max(asked, MIN_HOLD_SECONDS), MAX_HOLD_SECONDS) if asked else MAX_HOLD_SECONDS
        watch = registry.watch(namespace, options, seconds=0.0 if polled else seconds)
        lines = self._limits.watch(info.user.name, self._lines(registry, watch, how, info))
        with closing(lines):
            pieces, size = _collect(lines)
        pause = self._pauses.next(info, has_news=bool(pieces) or not options.resource_version) if polled else 1
        if not (pieces and pieces[-1].startswith(b'{"type":"ERROR"')):
            must_end = pause > 1 or (lets_go_late(info) and (bool(pieces) or polled))
            if info.flag("allowWatchBookmarks") and size <= MAX_BUFFER_BYTES:
                pieces.append(self._line(registry, watch.bookmark(), how, info, is_first=not pieces))
            if must_end:
                pieces.append(_error_line(timeout(END_OF_ANSWER, retry_after_seconds=pause)))
        body = b"".join(pieces).decode()
        return Response(body=body, status_code=200, headers={"Content-Type": JSON_TYPE, "Connection": "close"})

    def _lines(self, registry: Registry, watch: Watch, how: Representation, info: RequestInfo) -> Iterator[bytes]:
        is_first = True
        # Between frames clients skip a newline, and API Gateway ends a stream that is silent for five minutes.
        silence = b"\n" if self._streams and self._delivery.longest_seconds else b""
        for frame in watch.frames():
            if frame is None:
                yield silence
                continue
            yield self._line(registry, frame, how, info, is_first=is_first)
            is_first = is_first and frame.type in ("BOOKMARK", "ERROR")

    def _line(
        self, registry: Registry, frame: Frame, how: Representation, info: RequestInfo, *, is_first: bool
    ) -> bytes:
        if frame.status is not None:
            return _error_line(frame.status)
        if frame.type == "BOOKMARK":
            return _json_line({"type": "BOOKMARK", "object": self._bookmark(registry, frame, how)})
        if how.shape == "object":
            # One is kept: those who hear of an event ask for its line one after the other.
            said = (frame.type, registry.strategy.api_version, registry.strategy.kind, frame.stored)
            last, line = self._last_line
            if last != said:
                line = f'{{"type":"{frame.type}","object":{typed_text(registry, frame.stored)}}}\n'.encode()
                self._last_line = (said, line)
            return line
        shaped = self._shaper.watched(registry, frame.stored, how, info, is_first=is_first)
        return _json_line({"type": frame.type, "object": shaped})

    def _bookmark(self, registry: Registry, frame: Frame, how: Representation) -> JSON:
        metadata: JSON = {"resourceVersion": str(frame.stored.revision)}
        if frame.is_initial_end:
            metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
        if how.shape == "Table":
            return table.table(columns=[], rows=[], metadata=metadata, version=how.shape_version)
        if how.shape != "object":
            return table.partial_object_metadata({"metadata": metadata}, version=how.shape_version)
        strategy = registry.strategy
        types = {"kind": strategy.kind, "apiVersion": strategy.api_version}
        return {**types, "metadata": metadata, **strategy.empty}


def _error_line(status: StatusError) -> bytes:
    return _json_line({"type": "ERROR", "object": status.to_dict()})


def _json_line(value: JSON) -> bytes:
    return (dumps(value) + "\n").encode()


def _collect(lines: Iterator[bytes]) -> tuple[list[bytes], int]:
    """Return lines until nothing more comes by itself, or an answer is full, and their size."""
    pieces: list[bytes] = []
    size = 0
    for line in lines:
        if line == b"" and pieces:
            break
        size += len(line)
        pieces += [line] if line else []
        if size > MAX_BUFFER_BYTES:
            break
    return pieces, size
