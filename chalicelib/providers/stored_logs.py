"""Output as it is stored: lines with the time they came, in files that are rotated; and how it is read back.

A line is `2026-01-02T03:04:05.123456789Z F text`; `P` in place of F says that the text goes on in the next line of the
same stream. Lines of stderr have `f` and `p` there. The newest lines are in the file that names the log, older ones in
NAME.1, NAME.2 and on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from heapq import merge
from pathlib import Path

from chalicelib.providers.base import LogOptions, LogStream

STDOUT, STDERR = b"FP", b"fp"  # the letters of a stream: of a line, and of a part that goes on
STAMP_BYTES = 30
LETTER = STAMP_BYTES + 1  # where a stored line says which stream it is of, and whether it goes on
LETTERS: dict[LogStream, bytes] = {"all": STDOUT + STDERR, "stdout": STDOUT, "stderr": STDERR}
GOES_ON = (STDOUT[1], STDERR[1])
PREFIX_BYTES = STAMP_BYTES + 3  # and " F "
PIECE_BYTES = 64 * 1024
NO_TIME = b"1970-01-01T00:00:00.000000000Z"


class Formatter:
    """Turns stored lines into what the caller asked for; remembers whether a line was left open."""

    def __init__(self, options: LogOptions) -> None:
        since = options.since
        self._since = b"" if since is None else _stamp(since)
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
    stored: Iterable[list[bytes]] = (group for file in files for group in groups(file))
    if options.tail_lines is not None:
        stored = [_last(files, options.tail_lines)]
    for lines in stored:
        if piece := formatter.format(lines):
            yield piece
        if formatter.full:
            return


def groups(file: Path) -> Iterator[list[bytes]]:
    """Yield the stored lines of a file, each without its end, some of them at once."""
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
        stored = [line for group in groups(file) for line in group] + stored
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


def _stamp(moment: datetime) -> bytes:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z").encode()


def stored_lines(read: Callable[[LogOptions], Iterator[bytes]]) -> Iterator[bytes]:
    """Yield what a provider tells of a log as stored lines with their ends, those of both streams in their order.

    `read` returns the log in pieces of any length. Raises what it raises, before the first line.
    """
    streams: tuple[LogStream, LogStream] = ("stdout", "stderr")
    found = [(read(LogOptions(timestamps=True, stream=each)), LETTERS[each]) for each in streams]
    return merge(*(_lettered(pieces, letters) for pieces, letters in found), key=lambda line: line[:STAMP_BYTES])


def _lettered(pieces: Iterator[bytes], letters: bytes) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield _stored(line, letters[0])
    if rest:
        yield _stored(rest, letters[1])


def _stored(line: bytes, letter: int) -> bytes:
    """Return a line, of a provider that may tell no times, as it is stored."""
    has_time = line[STAMP_BYTES - 1 : STAMP_BYTES + 1] == b"Z "
    stamp, text = (line[:STAMP_BYTES], line[STAMP_BYTES + 1 :]) if has_time else (NO_TIME, line)
    return stamp + b" %c " % letter + text + b"\n"
