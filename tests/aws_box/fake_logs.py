"""The part of CloudWatch Logs that we read, and the awslogs driver's writing.

Amazon CloudWatch Logs API Reference, GetLogEvents (2014-03-28).
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from typing import Any

from tests.aws_box.wire import Answer, HttpServer, Request

PAGE_EVENTS = 10_000
PAGE_BYTES = 1024 * 1024

Event = dict[str, Any]  # timestamp (milliseconds), message, ingestionTime


class FakeLogs:
    """Log streams by group and name, behind an endpoint."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._streams: dict[tuple[str, str], list[Event]] = {}
        self._server = HttpServer(self._serve)
        self.url = self._server.url

    def close(self) -> None:
        """Stop serving."""
        self._server.close()

    def put(self, group: str, stream: str, milliseconds: int, message: str) -> None:
        """Write one line into a stream, which is made with its first."""
        event = {"timestamp": milliseconds, "ingestionTime": milliseconds, "message": message}
        with self._lock:
            self._streams.setdefault((group, stream), []).append(event)

    def text(self, part: str) -> str:
        """Return all lines of the streams whose name has `part` in it."""
        return "\n".join(event["message"] for event in self.events(part))

    def events(self, part: str) -> list[Event]:
        """Return what was written into the streams whose name has `part` in it."""
        with self._lock:
            return [event for (_, name), each in self._streams.items() if part in name for event in each]

    def _serve(self, request: Request) -> Answer:
        operation = request.header("x-amz-target").rpartition(".")[2]
        self.calls[operation] += 1
        asked = json.loads(request.body)
        headers = [("Content-Type", "application/x-amz-json-1.1")]
        with self._lock:
            stream = self._streams.get((asked["logGroupName"], asked["logStreamName"]))
            if stream is None:
                error = {"__type": "ResourceNotFoundException", "message": "The specified log stream does not exist."}
                return Answer(400, json.dumps(error).encode(), headers)
            return Answer(200, json.dumps(_page(stream, asked)).encode(), headers)


def _page(stream: list[Event], asked: dict[str, Any]) -> dict[str, Any]:
    """Return events from a token on, or before it; it names a place in the stream, and stays the same at an end."""
    is_forward = bool(asked.get("startFromHead"))
    place = 0 if is_forward else len(stream)
    if asked.get("nextToken"):
        place = int(asked["nextToken"][2:])
    ahead = stream[place:] if is_forward else stream[:place][::-1]
    page: list[Event] = []
    size = passed = 0
    for event in ahead:
        size += len(event["message"]) + 26  # CloudWatch's own reckoning of an event
        if len(page) == asked.get("limit", PAGE_EVENTS) or size > PAGE_BYTES:
            break
        passed += 1
        if event["timestamp"] >= asked.get("startTime", 0):
            page.append(event)
    first, last = (place, place + passed) if is_forward else (place - passed, place)
    events = page if is_forward else page[::-1]
    return {"events": events, "nextForwardToken": f"f/{last:056d}", "nextBackwardToken": f"b/{first:056d}"}
