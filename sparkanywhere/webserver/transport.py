"""Bytes with deadlines: a socket that one thread reads while others write, TLS or not.

OpenSSL allows one call at a time on a connection, yet a session reads and writes at once. So the socket never
blocks: each call is short and under a lock, and waiting happens outside of it.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

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

    def receive(self, limit: int, deadline: float) -> bytes:
        """Return what has come, at least one byte and at most `limit`; b"" at the end."""
        while True:
            try:
                with self._one_at_a_time:
                    return self.sock.recv(limit)
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
