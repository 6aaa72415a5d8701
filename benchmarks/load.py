"""A client that keeps so many connections busy and says how long each answer took: one thread, no threads' noise.

Closed loop: each connection has one request under way. Our own share of a request is some 50 microseconds.
"""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

RECEIVE_BYTES = 1 << 20
PATIENCE_SECONDS = 60.0  # without any answer on any connection


class WrongAnswer(Exception):
    """The server refused what it should have done."""


@dataclass(slots=True)
class Measured:
    """Seconds of each request, and of all together."""

    seconds: list[float] = field(default_factory=list)
    wall_seconds: float = 0.0

    def percentile_ms(self, percent: float) -> float:
        """Return that percentile of the times, in milliseconds."""
        ordered = sorted(self.seconds)
        return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)] * 1000

    @property
    def rate(self) -> float:
        """Return requests a second."""
        return len(self.seconds) / self.wall_seconds


def request(method: str, path: str, body: object = None, *, content_type: str = "application/json") -> bytes:
    """Return a request as it goes over the wire."""
    raw = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(raw)}\r\n"
    return (head + (f"Content-Type: {content_type}\r\n\r\n" if raw else "\r\n")).encode() + raw


class Connection:
    """One keep-alive connection to the server."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.begun = 0.0
        self._received = bytearray()
        self._length = 0  # of the whole answer; 0 while its head is not complete

    def send(self, raw: bytes) -> None:
        """Send a request; the last one must have been answered."""
        self.begun = time.perf_counter()
        self.sock.sendall(raw)

    def receive(self) -> bytes | None:
        """Read once; return the answer's body if it is complete. Raises WrongAnswer."""
        piece = self.sock.recv(RECEIVE_BYTES)
        if not piece:
            raise WrongAnswer("the server closed the connection")
        self._received += piece
        if not self._length:
            self._read_head()
        if not self._length or len(self._received) < self._length:
            return None
        body = bytes(self._received[self._received.index(b"\r\n\r\n") + 4 :])
        self._received.clear()
        self._length = 0
        return body

    def _read_head(self) -> None:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        lines = bytes(self._received[:end]).decode("latin-1").split("\r\n")
        if not lines[0].startswith("HTTP/1.1 2"):
            raise WrongAnswer(self._received[:2000].decode("latin-1"))
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        self._length = end + 4 + int(headers["content-length"])

    def ask(self, raw: bytes) -> bytes:
        """Send a request and return its answer's body."""
        self.send(raw)
        while (body := self.receive()) is None:
            pass
        return body


def drive(port: int, requests: Iterable[bytes], *, clients: int) -> Measured:
    """Send all requests over that many connections, each the next as soon as it is free."""
    left = iter(requests)
    measured = Measured()
    with selectors.DefaultSelector() as selector:
        begun = time.perf_counter()
        for _ in range(clients):
            connection = Connection(port)
            selector.register(connection.sock, selectors.EVENT_READ, connection)
            _send_next(selector, connection, left)
        while selector.get_map():
            ready = selector.select(PATIENCE_SECONDS)
            if not ready:
                raise WrongAnswer(f"no answer for {PATIENCE_SECONDS:g} s")
            for key, _ in ready:
                connection = key.data
                if connection.receive() is not None:
                    measured.seconds.append(time.perf_counter() - connection.begun)
                    _send_next(selector, connection, left)
        measured.wall_seconds = time.perf_counter() - begun
    return measured


def _send_next(selector: selectors.BaseSelector, connection: Connection, left: Iterator[bytes]) -> None:
    raw = next(left, None)
    if raw is None:
        selector.unregister(connection.sock)
        connection.sock.close()
    else:
        connection.send(raw)
