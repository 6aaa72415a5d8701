"""CloudWatch log streams as container logs.

Amazon CloudWatch Logs API Reference, GetLogEvents (2014-03-28): 1 MiB or 10,000 events a page, 10 calls a second.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from chalicelib.providers.base import LogOptions, ProviderUnavailable
from chalicelib.providers.ecs.failures import translated

FOLLOW_PAUSE_SECONDS = 1.0  # log lines reach CloudWatch some seconds late; asking faster would cost more only
PAGE_EVENTS = 10_000
EMPTY_PAGES = 20  # in a row, of a log that goes on all the same: a second or two at ten calls a second


def read_log(
    client: Any,  # Any: a boto3 client
    group: str,
    stream: str,
    options: LogOptions,
    has_ended: Callable[[], bool],
    *,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Iterator[bytes]:
    """Yield a stream's lines as the options ask; nothing for a stream that is not there (yet)."""
    left = options.limit_bytes
    lines = _tail(_present(client, group, stream, options), options)
    token: str | None = None
    for following, line in lines:
        token = following
        piece = line if left is None else line[:left]
        yield piece
        left = None if left is None else left - len(piece)
        if left == 0:
            return
    while options.follow and (options.until is None or now() < options.until):
        ended = has_ended()
        found = False
        for following, line in _pages(client, group, stream, options, token):
            found, token = True, following
            yield line
        if ended and not found:
            return
        yield b""
        sleep(FOLLOW_PAUSE_SECONDS)


Line = tuple[str | None, bytes]  # the token to go on from, and a line


def _present(client: Any, group: str, stream: str, options: LogOptions) -> Iterator[Line]:
    return _pages(client, group, stream, options, None)


def _tail(lines: Iterator[Line], options: LogOptions) -> Iterator[Line]:
    if options.tail_lines is None:
        return lines
    return iter(deque(lines, maxlen=options.tail_lines))


def _pages(client: Any, group: str, stream: str, options: LogOptions, token: str | None) -> Iterator[Line]:
    asked: dict[str, Any] = {"logGroupName": group, "logStreamName": stream, "startFromHead": True}
    if options.since is not None:
        asked["startTime"] = int(options.since.timestamp() * 1000)
    empty = 0
    while empty < EMPTY_PAGES:
        if token:
            asked["nextToken"] = token
        try:
            page = client.get_log_events(limit=PAGE_EVENTS, **asked)
        except client.exceptions.ResourceNotFoundException:
            return
        except Exception as error:  # boto3's errors have no common base of ours
            raise ProviderUnavailable("Unavailable", str(translated(error))) from error
        following = page.get("nextForwardToken")
        for event in page.get("events") or ():
            yield following, _line(event, options)
        if following == token:  # that alone is the end: a page may be empty with more behind it
            return
        empty = 0 if page.get("events") else empty + 1
        token = following


def _line(event: dict[str, Any], options: LogOptions) -> bytes:
    text = str(event.get("message", "")) + "\n"
    if options.timestamps:
        moment = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
        text = moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z " + text
    return text.encode()
