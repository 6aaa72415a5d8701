"""Read a container's output back while it is being written."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from chalicelib.providers import stored_logs
from chalicelib.providers.base import LogOptions
from chalicelib.providers.stored_logs import PIECE_BYTES, Formatter, groups, last_lines, parts
from chalicelib.providers.supervised.directory import TaskDirectory

FIRST_PAUSE_SECONDS = 0.02  # between looks at a file that is followed, growing while it is quiet
LAST_PAUSE_SECONDS = 0.2


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


def of_run(
    directory: TaskDirectory, container: str, run: int, options: LogOptions, *, clock: Callable[[], datetime]
) -> Iterator[bytes]:
    """Yield what a container has written in its n-th run, the first being 0."""
    path = directory.log(container, run)
    if not options.follow:
        return stored_logs.read(path, options)

    def ended() -> bool:
        record = directory.record()
        if record is None or record["phase"] == "stopped":
            return True
        now = next(one for one in record["containers"] if one["name"] == container)
        return now["restarts"] > run or (now["finished_at"] is not None and now["phase"] != "running")

    return follow(path, options, ended=ended, clock=clock)


def follow(
    path: Path, options: LogOptions, *, ended: Callable[[], bool], clock: Callable[[], datetime]
) -> Iterator[bytes]:
    """Yield what there is of a log and then what comes, until `ended` or the moment options.until.

    Yields an empty piece from time to time.
    """
    formatter = Formatter(options)
    tail = Tail(path)
    try:
        stored = [line for file in tail.older() for group in groups(file) for line in group]
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
