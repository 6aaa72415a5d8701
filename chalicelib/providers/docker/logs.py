"""Read a container's output, also while it is being written.

Each entry of the engine's log comes with its time: it parts the runs of a container that was restarted, whose
log goes on in one piece, and tells what a stream that ended too early has left out.
Reference: Docker Engine API v1.41, GET /containers/{id}/logs.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import docker
import docker.errors

from chalicelib.providers.base import LogOptions, TaskNotFound
from chalicelib.providers.docker.engine import Client, Stream, close_stream, interrupt, reachable
from chalicelib.providers.docker.snapshots import ContainerSnapshot

SIGN_OF_LIFE_SECONDS = 1.0  # the longest silence for one who follows
PIECES_AHEAD = 64  # the reader waits for a slow caller instead of filling memory
# The engine waits 100 ms at least before it restarts a container, and notes a start after the first output
BEFORE_START = timedelta(milliseconds=100)
TICK = timedelta(milliseconds=10)  # of the kernel: Podman takes a run's end from the time of a file


Find = Callable[[float], tuple[ContainerSnapshot | None, bool]]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a log, or a piece of a long one; `time` is its text, RFC 3339 with nanoseconds."""

    time: bytes
    text: bytes
    continues: bool  # the piece before had no end of line

    @property
    def is_exact(self) -> bool:
        """Return whether the time has fractions of a second: Podman before 5.8 leaves them out."""
        return b"." in self.time


def read(client: Client, find: Find, options: LogOptions) -> Iterator[bytes]:
    """Yield the output of a container as the Provider contract says.

    `find(seconds)` waits for news for so long, and returns the container as it is then (None: not made yet)
    and whether it may still start. Raises TaskNotFound, before the first piece.
    """
    snapshot, _ = find(0)
    if options.previous and (snapshot is None or not snapshot.restarts):
        raise TaskNotFound("there was no restart, so there is no previous log")
    pieces = _pieces(client, find, options)
    return pieces if options.limit_bytes is None else _limited(pieces, options.limit_bytes)


def _pieces(client: Client, find: Find, options: LogOptions) -> Iterator[bytes]:
    """Yield the pieces; with follow, wait for the container's start first."""
    left = (options.until - datetime.now(UTC)).total_seconds() if options.until else float("inf")
    deadline = time.monotonic() + left
    patience = 0.0
    while True:
        snapshot, may_start = find(patience)
        patience = SIGN_OF_LIFE_SECONDS
        if snapshot is not None and (snapshot.has_started or not may_start or not options.follow):
            break
        if not (options.follow and may_start) or time.monotonic() >= deadline:
            return
        yield b""
    window = _window(snapshot, options)
    shown = b""
    for entry in _entries(client, snapshot, window, deadline):
        if entry is None:
            yield b""
            continue
        shown = entry.time
        yield _rendered(entry, options)
    if options.follow and not options.previous and time.monotonic() < deadline:
        rest = replace(window, follow=False, tail_lines=None)
        for entry in _entries(client, snapshot, rest, deadline):
            # a stream that follows may end with the container before its last words
            if entry and entry.is_exact and entry.time > shown:
                yield _rendered(entry, options)


def _rendered(entry: Entry, options: LogOptions) -> bytes:
    if not options.timestamps or entry.continues:
        return entry.text
    return (entry.time if entry.is_exact else entry.time.replace(b"Z", b".000000000Z")) + b" " + entry.text


def _window(snapshot: ContainerSnapshot, options: LogOptions) -> LogOptions:
    """Return the options with the bounds of the run that is meant."""
    if not snapshot.restarts or snapshot.started_at is None:
        return options if options.follow or not options.previous else replace(options, follow=False)
    border = snapshot.previous_end + TICK if snapshot.previous_end else snapshot.started_at - BEFORE_START
    if options.previous:
        return replace(options, until=border, follow=False)
    if snapshot.status == "restarting" and not options.follow:  # what the next run says already is not its log
        options = replace(options, until=min(filter(None, (options.until, snapshot.finished_at)), default=None))
    return replace(options, since=max(options.since, border) if options.since else border)


def _entries(
    client: Client, snapshot: ContainerSnapshot, options: LogOptions, deadline: float
) -> Iterator[Entry | None]:
    """Yield the entries in the window, None as a sign of life. Raises TaskNotFound."""
    since, until = _text(options.since), _text(options.until)
    try:
        with reachable():
            stream = client.logs(
                snapshot.id,
                stream=True,
                follow=options.follow,
                timestamps=True,
                stdout=options.stream != "stderr",
                stderr=options.stream != "stdout",
                tail=options.tail_lines if options.tail_lines is not None else "all",
                since=options.since.timestamp() if options.since else None,
                until=options.until.timestamp() if options.until and not options.follow else None,
            )
    except docker.errors.NotFound as error:
        raise TaskNotFound(f"the engine has no container {snapshot.id[:12]} any more") from error
    continues = False
    for piece in _followed(stream, deadline) if options.follow else _closing(stream):
        if not piece:
            yield None
            continue
        for line in piece.splitlines(keepends=True) if snapshot.tty else [piece]:
            at, _, text = line.partition(b" ")
            entry = Entry(time=at, text=text, continues=continues)
            continues = not line.endswith(b"\n")
            is_inside = (not since or at >= since) and (not until or options.follow or at <= until)
            if is_inside or not entry.is_exact:  # the engine itself knows better than it says
                yield entry


def _text(moment: datetime | None) -> bytes:
    """Return a moment as the engine writes it, to be compared as text."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z").encode() if moment else b""


def _closing(stream: Stream) -> Iterator[bytes]:
    try:
        yield from stream
    finally:
        close_stream(stream)


def _followed(stream: Stream, deadline: float) -> Iterator[bytes]:
    """Yield pieces as they come, an empty one when none does; end with the stream or at the deadline."""
    pieces: queue.Queue[bytes | None] = queue.Queue(PIECES_AHEAD)
    gone = threading.Event()

    def put(piece: bytes | None) -> None:
        while not gone.is_set():
            with suppress(queue.Full):
                pieces.put(piece, timeout=SIGN_OF_LIFE_SECONDS)
                return

    def pump() -> None:
        with suppress(Exception):  # whatever ends the stream, the caller sees its end
            for piece in stream:
                put(piece)
                if gone.is_set():
                    break
        close_stream(stream)
        put(None)

    reader = threading.Thread(target=pump, name="docker-logs", daemon=True)
    reader.start()
    try:
        while (left := deadline - time.monotonic()) > 0:
            try:
                piece = pieces.get(timeout=min(SIGN_OF_LIFE_SECONDS, left))
            except queue.Empty:
                piece = b""
            if piece is None:
                return
            yield piece
    finally:
        gone.set()
        interrupt(stream)
        reader.join(timeout=2 * SIGN_OF_LIFE_SECONDS)


def _limited(pieces: Iterator[bytes], left: int) -> Iterator[bytes]:
    for piece in pieces:
        yield piece[:left]
        left -= len(piece)
        if left <= 0:
            return
