"""Bytes with deadlines: a socket as a file whose reads end in time."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Callable
from typing import Any, BinaryIO


class DeadlineReader(io.RawIOBase):
    """Reads from a socket until `deadline`, a moment of `clock`; then TimeoutError.

    The deadline bounds a whole step (a head, a body), however slowly its bytes drip in.
    """

    def __init__(self, sock: socket.socket, clock: Callable[[], float] = time.monotonic) -> None:
        self._sock = sock
        self._clock = clock
        self.deadline = clock()

    def allow(self, seconds: float) -> None:
        """Set the deadline `seconds` from now."""
        self.deadline = self._clock() + seconds

    def readable(self) -> bool:
        """Return True: reading is all it does."""
        return True

    def readinto(self, buffer: Any) -> int:  # Any: the buffer protocol has no type before Python 3.12
        """Fill `buffer` with what has come, at least one byte; return how many, 0 at the end."""
        remaining = self.deadline - self._clock()
        if remaining <= 0:
            raise TimeoutError("the client was too slow")
        self._sock.settimeout(remaining)
        return self._sock.recv_into(buffer)


def read_head(reader: BinaryIO, limit: int) -> bytes | None:
    """Return the bytes up to and with the next empty line; None at the end of the connection.

    Empty lines before it are skipped, as RFC 9112 2.2 asks. Raises ValueError beyond `limit` bytes.
    """
    head = b""
    while True:
        line = reader.readline(limit - len(head) + 1)
        if not line.endswith(b"\n"):
            if len(head) + len(line) > limit:
                raise ValueError(f"the head is longer than {limit} bytes")
            return None
        if line in (b"\r\n", b"\n"):
            if head:
                return head
            limit -= len(line)
            continue
        head += line
        if len(head) > limit:
            raise ValueError(f"the head is longer than {limit} bytes")
