"""CloudWatch log streams as container logs.

Amazon CloudWatch Logs API Reference, GetLogEvents (2014-03-28): 1 MiB or 10,000 events a page. An account has 25
calls a second in a region ("CloudWatch Logs endpoints and quotas"), for all that follow logs: a quiet one is asked for
less often.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from chalicelib.providers.base import THROTTLED, LogOptions, ProviderUnavailable
from chalicelib.providers.fargate.clients import translated

FOLLOW_PAUSE_SECONDS = 1.0  # log lines reach CloudWatch some seconds late; asking faster would cost more only
QUIET_PAUSE_SECONDS = 5.0  # at most, half as long again after each look that found nothing or was throttled
PAGE_EVENTS = 10_000
EMPTY_PAGES = 20  # in a row, of a log that goes on all the same


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
    """Yield a stream's lines as the options ask; nothing for a stream that is not there (yet).

    CloudWatch does not tell a container's stdout and stderr apart: all of it is stdout, as of one with a terminal.
    """
    if options.stream == "stderr":
        return
    log = _Stream(client, group, stream, options)
    left = options.limit_bytes
    for line in log.forward() if options.tail_lines is None else log.last(options.tail_lines):
        yield line[:left]
        left = None if left is None else max(0, left - len(line))
        if left == 0:
            return
    found, pause = True, FOLLOW_PAUSE_SECONDS
    while options.follow and (options.until is None or now() < options.until):
        ended = not found and has_ended()  # before the look: what was written until then is read
        found = False
        try:
            for line in log.forward():
                found = True
                yield line
        except ProviderUnavailable as error:
            if error.reason != THROTTLED:
                raise
            ended = False
        if ended and not found:
            return
        yield b""
        pause = FOLLOW_PAUSE_SECONDS if found else min(1.5 * pause, QUIET_PAUSE_SECONDS)
        sleep(pause)


class _Stream:
    """One stream, read on from where it was read to."""

    def __init__(self, client: Any, group: str, stream: str, options: LogOptions) -> None:
        self._client = client
        self._options = options
        self._asked: dict[str, Any] = {"logGroupName": group, "logStreamName": stream}
        if options.since is not None:
            self._asked["startTime"] = int(options.since.timestamp() * 1000)
        self._token: str | None = None  # of what comes next

    def forward(self) -> Iterator[bytes]:
        """Yield the lines that have not been read, to the end that the stream has now."""
        for page in self._pages("nextForwardToken", self._token, limit=PAGE_EVENTS, startFromHead=True):
            self._token = page["nextForwardToken"]
            yield from self._lines(page)

    def last(self, count: int) -> Iterator[bytes]:
        """Yield the last lines, from the end backwards: of a long log the rest would cost seconds."""
        found: list[list[bytes]] = []
        missing = count
        limit = max(1, min(count, PAGE_EVENTS))
        for page in self._pages("nextBackwardToken", None, limit=limit, startFromHead=False):
            self._token = self._token or page["nextForwardToken"]
            found.append(self._lines(page)[-missing:] if missing else [])
            missing -= len(found[-1])
            if missing <= 0:
                break
        for lines in reversed(found):
            yield from lines

    def _pages(self, following: str, token: str | None, **how: Any) -> Iterator[dict[str, Any]]:
        """Yield the pages in one direction; a page may be empty with more behind it, a token that stays is the end."""
        empty = 0
        while empty < EMPTY_PAGES:
            more = {"nextToken": token} if token else {}
            try:
                page: dict[str, Any] = self._client.get_log_events(**self._asked, **how, **more)
            except self._client.exceptions.ResourceNotFoundException:
                return
            except Exception as error:  # boto3's errors have no common base of ours
                refused = translated(error)
                reason = refused.reason if isinstance(refused, ProviderUnavailable) else "Unavailable"
                raise ProviderUnavailable(reason, str(refused)) from error
            yield page
            if page[following] == token:
                return
            empty = 0 if page.get("events") else empty + 1
            token = page[following]

    def _lines(self, page: dict[str, Any]) -> list[bytes]:
        found = []
        for event in page.get("events") or ():
            text = str(event.get("message", "")) + "\n"
            if self._options.timestamps:
                moment = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
                text = moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z " + text
            found.append(text.encode())
        return found
