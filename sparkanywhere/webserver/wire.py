"""One client's connection: its bytes in and out with deadlines, and whether the client is still there.

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

from sparkanywhere.webserver.limits import Limits

_SLICE_BYTES = 256 * 1024  # of a long answer at a time, so that the lock is never held for long
_RECEIVE_BYTES = 16 * 1024
# Only Linux reports that the other side has closed while there are unread bytes.
_GONE = getattr(select, "POLLRDHUP", 0) | select.POLLERR | select.POLLHUP


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


class Wire:
    """A connected socket with reads that end in time and writes that are never torn.

    Writes of several threads don't mix. After `finish` nothing more is written.
    """

    def __init__(self, sock: socket.socket, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.sock = sock
        self._limits = limits
        self._transport = Transport(sock, clock)
        self._read_by = self._transport.clock()
        self._unread = b""
        self._write_lock = threading.Lock()
        self._finished = False

    def allow(self, seconds: float) -> None:
        """Give the reads that follow `seconds` in all, however slowly their bytes drip in."""
        self._read_by = self._transport.clock() + seconds

    def receive(self) -> bytes:
        """Return what has come, at least one byte; b"" at the end. Raises OSError (TimeoutError among them)."""
        if self._unread:
            data, self._unread = self._unread, b""
            return data
        if self._transport.clock() >= self._read_by:
            raise TimeoutError("the client was too slow")
        return self._transport.receive(_RECEIVE_BYTES, self._read_by)

    def unread(self, data: bytes) -> None:
        """Put back what was received too much; the next receive() returns it."""
        self._unread = data

    def send(self, data: bytes, *, seconds: float | None = None) -> None:
        """Write all of `data` within `seconds`. Raises OSError (TimeoutError among them) if that fails."""
        with self._write_lock:
            if self._finished:
                raise BrokenPipeError("the connection is finished")
            self._send(data, self._limits.write_seconds if seconds is None else seconds)

    def _send(self, data: bytes, seconds: float) -> None:
        self._transport.send(data, self._transport.clock() + seconds)

    def finish(self, last: bytes = b"") -> None:
        """Write `last` and end the connection, from any thread. A writer that is stuck is cut off."""
        free = self._write_lock.acquire(timeout=0.1)  # long enough for a write that is under way
        try:
            if not self._finished and free and last:
                with contextlib.suppress(OSError):
                    self._send(last, 0.1)
            self._finished = True
            self.cut(socket.SHUT_RDWR)
        finally:
            if free:
                self._write_lock.release()

    def client_is_gone(self) -> bool:
        """Return whether the client has closed its side. Never waits, reads nothing."""
        poll = select.poll()
        poll.register(self.sock.fileno(), _GONE | select.POLLIN)
        for _, seen in poll.poll(0):
            if seen & _GONE:
                return True
            if seen & select.POLLIN and not isinstance(self.sock, ssl.SSLSocket):
                try:
                    return self.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
                except BlockingIOError:
                    return False
                except OSError:
                    return True
        return False

    def cut(self, how: int) -> None:
        """Shut one or both directions of the connection down, from any thread; a dead one is fine."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sock, how)  # an SSLSocket's own shutdown would drop the session

    def linger(self) -> None:
        """Read on for a moment so that the client gets to read our refusal instead of a reset."""
        self.cut(socket.SHUT_WR)
        self.allow(self._limits.linger_seconds)
        left = self._limits.linger_bytes
        with contextlib.suppress(OSError, ValueError):
            while left > 0 and (piece := self.receive()):
                left -= len(piece)

    def close(self) -> None:
        """Let go of the socket; over TLS, say goodbye first without waiting for the reply."""
        with contextlib.suppress(OSError, ValueError):
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock.unwrap()
        with contextlib.suppress(OSError):
            self.sock.close()


def prepare(sock: socket.socket) -> None:
    """Set what every connection wants: no Nagle, and probes that notice a dead peer of an idle stream."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
