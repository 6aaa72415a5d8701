"""Read a container's output back: by number of lines, since a moment, with times, or as it comes."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from chalicelib.providers.base import LogOptions
from chalicelib.providers.process.supervisor.output import STDERR, STDOUT, stamp

STAMP_BYTES = 30
LETTER = STAMP_BYTES + 1  # where a stored line says which stream it is of, and whether it goes on
LETTERS = {"all": STDOUT + STDERR, "stdout": STDOUT, "stderr": STDERR}
GOES_ON = (STDOUT[1], STDERR[1])
PREFIX_BYTES = STAMP_BYTES + 3  # and " F "
PIECE_BYTES = 64 * 1024
FIRST_PAUSE_SECONDS = 0.02  # between looks at a file that is followed, growing while it is quiet
LAST_PAUSE_SECONDS = 0.2


class Formatter:
    """Turns stored lines into what the caller asked for; remembers whether a line was left open."""

    def __init__(self, options: LogOptions) -> None:
        since = options.since
        self._since = b"" if since is None else stamp(int(since.astimezone(UTC).timestamp() * 1e9))
        self._letters = LETTERS[options.stream]
        self._timestamps = options.timestamps
        self._left = options.limit_bytes
        self._line_open = False

    @property
    def full(self) -> bool:
        """Whether the caller has got all the bytes it wanted."""
        return self._left is not None and self._left <= 0

    def format(self, lines: list[bytes]) -> bytes:
        """Return the output that stored lines, each without its end, stand for."""
        pieces = []
        for line in lines:
            if line[:STAMP_BYTES] < self._since or line[LETTER] not in self._letters:
                continue
            if self._timestamps and not self._line_open:
                pieces.append(line[:STAMP_BYTES] + b" ")
            self._line_open = line[LETTER] in GOES_ON
            pieces.append(line[PREFIX_BYTES:] + (b"" if self._line_open else b"\n"))
        output = b"".join(pieces)
        if self._left is not None:
            output = output[: self._left]
            self._left -= len(output)
        return output


def parts(path: Path) -> list[Path]:
    """Return the files that hold a log, oldest first."""
    numbered = [(int(one.suffix[1:]), one) for one in path.parent.glob(path.name + ".[0-9]*")]
    found = [one for _, one in sorted(numbered, reverse=True)]
    return [*found, path] if path.exists() else found


def read(path: Path, options: LogOptions) -> Iterator[bytes]:
    """Yield what there is of the log at `path`."""
    formatter = Formatter(options)
    files = parts(path)
    stored: Iterable[list[bytes]] = (group for file in files for group in _groups(file))
    if options.tail_lines is not None:
        stored = [_last(files, options.tail_lines)]
    for lines in stored:
        if piece := formatter.format(lines):
            yield piece
        if formatter.full:
            return


def _groups(file: Path) -> Iterator[list[bytes]]:
    try:
        with file.open("rb") as stream:
            while lines := stream.readlines(PIECE_BYTES):
                yield [line.rstrip(b"\n") for line in lines]
    except FileNotFoundError:  # rotated away meanwhile
        return


def _last(files: list[Path], tail: int) -> list[bytes]:
    """Return the stored lines of the last `tail` lines, reading no more files than needed."""
    stored: list[bytes] = []
    for file in reversed(files):
        stored = [line for group in _groups(file) for line in group] + stored
        kept = last_lines(stored, tail)
        if len(kept) < len(stored):
            return kept
    return stored


def last_lines(stored: list[bytes], tail: int) -> list[bytes]:
    """Return those stored lines that make up the last `tail` lines; a line may be stored in parts."""
    complete = 0
    for index in range(len(stored) - 1, -1, -1):
        ends = stored[index][LETTER] not in GOES_ON
        complete += ends or index == len(stored) - 1
        if complete > tail:
            return stored[index + 1 :]
    return stored


class Tail:
    """Reads on in a log that is being written, across its rotation."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._rest = b""

    def older(self) -> list[Path]:
        """Return the files that hold what came before the file that is being read, oldest first."""
        if self._descriptor < 0 and not self._open():
            return []
        ours = os.fstat(self._descriptor)
        found = []
        for file in parts(self._path):
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(ours, file.stat()):
                    break
                found.append(file)
        return found

    def lines(self) -> list[bytes]:
        """Return complete stored lines that have come since the last call, [] for none."""
        if self._descriptor < 0 and not self._open():
            return []
        chunk = os.read(self._descriptor, PIECE_BYTES)
        is_rotated = False
        if not chunk:
            with contextlib.suppress(FileNotFoundError):
                is_rotated = not os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        if is_rotated:
            chunk = os.read(self._descriptor, PIECE_BYTES)  # what came between our last look and the rotation
            if not chunk:
                self.close()
                return self.lines()
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return lines

    def _open(self) -> bool:
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        return True

    def close(self) -> None:
        """Let go of the file. May be repeated."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def follow(
    path: Path, options: LogOptions, *, ended: Callable[[], bool], clock: Callable[[], datetime]
) -> Iterator[bytes]:
    """Yield what there is of a log and then what comes, until `ended` or the moment options.until.

    Yields an empty piece from time to time.
    """
    formatter = Formatter(options)
    tail = Tail(path)
    try:
        stored = [line for file in tail.older() for group in _groups(file) for line in group]
        while lines := tail.lines():
            stored += lines
        if options.tail_lines is not None:
            stored = last_lines(stored, options.tail_lines)
        yield formatter.format(stored)
        pause = FIRST_PAUSE_SECONDS
        while not formatter.full:
            last = ended() or (options.until is not None and clock() >= options.until)
            quiet = True
            while (lines := tail.lines()) and not formatter.full:
                quiet = False
                yield formatter.format(lines)
            if last:
                return
            pause = min(pause * 1.5, LAST_PAUSE_SECONDS) if quiet else FIRST_PAUSE_SECONDS
            yield b""
            time.sleep(pause)
    finally:
        tail.close()
