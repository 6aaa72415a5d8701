"""Read a container's output, also while it is being written.

A thread reads from the engine, so that the caller gets a sign of life when nothing is written and can go away
at any time. After a restart the engine's log goes on in one piece: the moment of the last start parts it.
Reference: Docker Engine API v1.41, GET /containers/{id}/logs.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from datetime import UTC, datetime

import docker
import docker.errors

from chalicelib.providers.base import LogOptions, TaskNotFound
from chalicelib.providers.docker.boxes import Box
from chalicelib.providers.docker.engine import Client, Stream, reachable

SIGN_OF_LIFE_SECONDS = 1.0  # also how late a reader is let go after `until`
PIECES_AHEAD = 64  # the reader waits for a slow caller instead of filling memory


def read(client: Client, box: Box, options: LogOptions) -> Iterator[bytes]:
    """Yield the output of a container as the Provider contract says. Raises TaskNotFound."""
    since, until = _window(box, options)
    try:
        with reachable():
            stream = client.logs(
                box.id,
                stream=True,
                follow=options.follow and not options.previous,
                timestamps=options.timestamps,
                tail=options.tail_lines if options.tail_lines is not None else "all",
                since=since,
                until=until,
            )
    except docker.errors.NotFound as error:
        raise TaskNotFound(f"the engine has no container {box.id[:12]} any more") from error
    pieces = _followed(stream, options.until) if options.follow else _all(stream)
    return _limited(pieces, options.limit_bytes)


def _window(box: Box, options: LogOptions) -> tuple[float | None, float | None]:
    """Return the part of time to show. Raises TaskNotFound for a previous log that there is not."""
    since = options.since.timestamp() if options.since else None
    restarted_at = box.started_at.timestamp() if box.restarts and box.started_at else None
    if options.previous:
        if restarted_at is None:
            raise TaskNotFound(f"container {box.name!r} was not restarted: it has no previous log")
        return since, restarted_at
    if restarted_at:
        since = max(since or 0.0, restarted_at)
    until = options.until.timestamp() if options.until and not options.follow else None
    return since, until


def _all(stream: Stream) -> Iterator[bytes]:
    try:
        yield from stream
    finally:
        _close(stream)


def _followed(stream: Stream, until: datetime | None) -> Iterator[bytes]:
    """Yield pieces as they come, an empty one when none does; end with the container or at `until`."""
    pieces: queue.Queue[bytes | None] = queue.Queue(PIECES_AHEAD)
    gone = threading.Event()
    reader = threading.Thread(target=_pump, args=(stream, pieces, gone), name="docker-logs", daemon=True)
    reader.start()
    left = (until - datetime.now(UTC)).total_seconds() if until else float("inf")
    deadline = time.monotonic() + left
    try:
        while time.monotonic() < deadline:
            try:
                piece = pieces.get(timeout=min(SIGN_OF_LIFE_SECONDS, max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                piece = b""
            if piece is None:
                return
            yield piece
    finally:
        gone.set()
        _close(stream)


def _pump(stream: Stream, pieces: queue.Queue[bytes | None], gone: threading.Event) -> None:
    with suppress(Exception):  # whatever ends the stream, the caller sees its end
        for piece in stream:
            if not _put(pieces, piece, gone):
                return
    _put(pieces, None, gone)


def _put(pieces: queue.Queue[bytes | None], piece: bytes | None, gone: threading.Event) -> bool:
    while not gone.is_set():
        try:
            pieces.put(piece, timeout=SIGN_OF_LIFE_SECONDS)
        except queue.Full:
            continue
        return True
    return False


def _limited(pieces: Iterator[bytes], limit_bytes: int | None) -> Iterator[bytes]:
    """Yield at most so many bytes in all."""
    if limit_bytes is None:
        yield from pieces
        return
    left = limit_bytes
    for piece in pieces:
        if len(piece) >= left:
            yield piece[:left]
            break
        left -= len(piece)
        yield piece
    if isinstance(pieces, Generator):
        pieces.close()


def _close(stream: Stream) -> None:
    with suppress(Exception):  # the SDK looks for a socket that a finished stream has no more
        stream.close()
