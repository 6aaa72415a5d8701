"""Bytes with deadlines: a socket that one thread reads while others write, TLS or not.

OpenSSL allows one call at a time on a connection, yet a session reads and writes at once. So the socket never
blocks: each call is short and under a lock, and who has to wait does so outside.
"""

from __future__ import annotations

import contextlib
import io
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, BinaryIO

_SLICE_BYTES = 256 * 1024  # of a long answer at a time, so that the lock is never held for long


class Transport:
    """A connected socket; deadlines are moments of `clock`. TimeoutError is an OSError like the others."""

    def __init__(self, sock: socket.socket, clock: Callable[[], float] = time.monotonic) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.clock = clock
        self._one_at_a_time: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
        if isinstance(sock, ssl.SSLSocket):
            self._one_at_a_time = threading.Lock()

    def receive_into(self, buffer: Any, deadline: float) -> int:  # Any: no buffer type before Python 3.12
        """Fill `buffer` with what has come, at least one byte; return how many, 0 at the end."""
        while True:
            try:
                with self._one_at_a_time:
                    return self.sock.recv_into(buffer)
            except ssl.SSLWantWriteError:
                self._wait(select.POLLOUT, deadline)
            except (BlockingIOError, ssl.SSLWantReadError):
                self._wait(select.POLLIN, deadline)

    def send(self, data: bytes, deadline: float) -> None:
        """Send all of `data`. Writers must not overlap."""
        rest = memoryview(data)
        while rest:
            try:
                with self._one_at_a_time:
                    sent = self.sock.send(rest[:_SLICE_BYTES])
                rest = rest[sent:]
            except ssl.SSLWantReadError:
                self._wait(select.POLLIN, deadline)
            except (BlockingIOError, ssl.SSLWantWriteError):
                self._wait(select.POLLOUT, deadline)

    def _wait(self, event: int, deadline: float) -> None:
        remaining = deadline - self.clock()
        if remaining <= 0:
            raise TimeoutError("the client was too slow")
        poll = select.poll()
        poll.register(self.sock, event)
        poll.poll(remaining * 1000)


class DeadlineReader(io.RawIOBase):
    """A transport as a file: reads end at `deadline` with TimeoutError.

    The deadline bounds a whole step (a head, a body), however slowly its bytes drip in.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.deadline = transport.clock()

    def allow(self, seconds: float) -> None:
        """Set the deadline `seconds` from now."""
        self.deadline = self._transport.clock() + seconds

    def readable(self) -> bool:
        """Return True: reading is all it does."""
        return True

    def readinto(self, buffer: Any) -> int:  # Any: as above
        """Fill `buffer` with what has come, at least one byte; return how many, 0 at the end."""
        if self._transport.clock() >= self.deadline:
            raise TimeoutError("the client was too slow")
        return self._transport.receive_into(buffer, self.deadline)


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
