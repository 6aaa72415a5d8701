"""The hold of a container's own input and output: a FIFO that its program reads from, and its log."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Iterator
from itertools import chain

from chalicelib.providers.interactive import Channel
from chalicelib.providers.supervised.directory import TaskDirectory

LOOK_SECONDS = 0.2  # how late, at most, a writer notices that the session is closed


class Attachment:
    """See interactive.Session. `fed` is the task whose container is fed, None for no input."""

    def __init__(self, pieces: Iterator[bytes], fed: TaskDirectory | None, container: str) -> None:
        first = next(pieces, None)  # finds the log's end, before any input has an effect
        self._pieces = pieces if first is None else chain([first], pieces)
        self._fed = fed
        self._container = container
        self._guard = threading.Lock()  # of the descriptor: its number would name another file once it is closed
        self._closed = False
        self._sink = -1
        if fed is not None:
            with contextlib.suppress(OSError):  # it has no input, or its program has closed it
                self._sink = os.open(fed.input(container), os.O_WRONLY | os.O_NONBLOCK)

    def read(self) -> tuple[Channel, bytes] | None:
        """Wait for output; see Session.read. The log keeps both streams as one."""
        piece = None if self._closed else next(self._pieces, None)
        return None if piece is None or self._closed else ("stdout", piece)

    def write(self, data: bytes) -> None:
        """Hand input over; see Session.write."""
        rest = memoryview(data)
        while rest:
            with self._guard:
                if self._closed or self._sink < 0:
                    raise BrokenPipeError("the container takes no input")
                poll = select.poll()
                poll.register(self._sink, select.POLLOUT)
                if poll.poll(LOOK_SECONDS * 1000):
                    with contextlib.suppress(BlockingIOError):
                        rest = rest[os.write(self._sink, rest) :]

    def end_input(self) -> None:
        """Let go of the input, which ends if the container wants it so."""
        with self._guard:
            if self._sink < 0 or self._fed is None:
                return
            os.close(self._sink)
            self._sink = -1
        with contextlib.suppress(OSError):  # the task has been removed
            self._fed.leave_input(self._container)

    def resize(self, *, columns: int, rows: int) -> None:
        """Do nothing: there is no terminal."""

    def exit_code(self) -> int | None:
        """Return None: what was attached to is no command of the session's."""
        return None

    def close(self) -> None:
        """Let go: of the input now, of the output at the log's next sign of life."""
        self._closed = True
        self.end_input()
