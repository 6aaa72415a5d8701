"""A container's output on disk: lines with the time they came, in files that are rotated.

A line is `2026-01-02T03:04:05.123456789Z F text`; `P` in place of F says that the text goes on in the
next line of the same stream. Lines of stderr have `f` and `p` there. Each stream has a pipe of its own, so lines of
the two are in the order in which they were read.
"""

from __future__ import annotations

import contextlib
import os
import time

STDOUT, STDERR = b"FP", b"fp"  # the letters of a stream: of a line, and of a part that goes on
LINE_LIMIT = 16 * 1024  # bytes: a longer line is stored in parts, as container runtimes do


def stamp(moment: int) -> bytes:
    """Return nanoseconds since 1970 as RFC 3339 with nine digits, always 30 bytes."""
    seconds, nanoseconds = divmod(moment, 1_000_000_000)
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{nanoseconds:09d}Z".encode()


class LogWriter:
    """Writes one container's output to `path`, keeping at most `files` files of `limit` bytes."""

    def __init__(self, path: str, *, limit: int, files: int) -> None:
        self._path = path
        self._limit = limit
        self._files = files
        self._rests = {STDOUT: b"", STDERR: b""}
        self._descriptor = self._open()
        self._size = os.fstat(self._descriptor).st_size

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, chunk: bytes, stream: bytes) -> None:
        """Store what is complete of a stream (STDOUT, STDERR) so far; the rest waits for its end of line."""
        *lines, rest = (self._rests[stream] + chunk).split(b"\n")
        prefix = stamp(time.time_ns())
        stored = [part for line in lines for part in self._parts(line, prefix, stream)]
        while len(rest) >= LINE_LIMIT:
            stored.append(prefix + b" %c " % stream[1] + rest[:LINE_LIMIT] + b"\n")
            rest = rest[LINE_LIMIT:]
        self._rests[stream] = rest
        if stored:
            self._append(b"".join(stored))

    def close(self) -> None:
        """Store what is left and close the file."""
        for stream, rest in self._rests.items():
            if rest:
                self._append(stamp(time.time_ns()) + b" %c " % stream[1] + rest + b"\n")
            self._rests[stream] = b""
        os.close(self._descriptor)

    @staticmethod
    def _parts(line: bytes, prefix: bytes, stream: bytes) -> list[bytes]:
        parts = []
        while len(line) > LINE_LIMIT:
            parts.append(prefix + b" %c " % stream[1] + line[:LINE_LIMIT] + b"\n")
            line = line[LINE_LIMIT:]
        return [*parts, prefix + b" %c " % stream[0] + line + b"\n"]

    def _append(self, data: bytes) -> None:
        if self._size and self._size + len(data) > self._limit:
            for number in range(self._files - 1, 0, -1):
                older = self._path if number == 1 else f"{self._path}.{number - 1}"
                with contextlib.suppress(FileNotFoundError):
                    os.replace(older, f"{self._path}.{number}")
            os.close(self._descriptor)
            self._descriptor = self._open()
            self._size = 0
        with contextlib.suppress(OSError):  # a full disk loses output, but must not end the task
            self._size += os.write(self._descriptor, data)
