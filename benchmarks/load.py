"""A client that keeps so many connections busy and says how long each answer took: one thread, no threads' noise.

It speaks to our server and to a real API server alike: over TLS with a token, or in the clear.

Closed loop: each connection has one request under way. Our own share of a request is some 50 microseconds.
"""

from __future__ import annotations

import json
import selectors
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

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


@dataclass(frozen=True, slots=True)
class Target:
    """A server on loopback, and how it is spoken to: in the clear if there is no `tls`."""

    port: int
    token: str = ""
    tls: ssl.SSLContext | None = None


def request(
    method: str, path: str, body: object = None, *, content_type: str = "application/json", accept: str = "*/*"
) -> bytes:
    """Return a request as it goes over the wire, but for the token."""
    raw = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {accept}\r\nContent-Length: {len(raw)}\r\n"
    return (head + (f"Content-Type: {content_type}\r\n\r\n" if raw else "\r\n")).encode() + raw


class Connection:
    """One keep-alive connection to the server."""

    def __init__(self, target: Target) -> None:
        self.sock = socket.create_connection(("127.0.0.1", target.port), timeout=PATIENCE_SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if target.tls is not None:
            self.sock = target.tls.wrap_socket(self.sock, server_hostname="127.0.0.1")
        self._token = f"\r\nAuthorization: Bearer {target.token}\r\n".encode() if target.token else b""
        self.begun = 0.0
        self._received = bytearray()
        self._head = 0  # bytes of the answer's head; 0 while it is not complete
        self._length: int | None = None  # of the whole answer; None if it comes in chunks

    def send(self, raw: bytes) -> None:
        """Send a request; the last one must have been answered."""
        if self._token:
            raw = raw.replace(b"\r\n", self._token, 1)
        self.begun = time.perf_counter()
        self.sock.sendall(raw)

    def receive(self) -> bytes | None:
        """Read what is there; return the answer's body, chunks as they came, if it is complete. Raises WrongAnswer."""
        self._received += self._read()
        while isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():  # which no selector sees
            self._received += self._read()
        if not self._head:
            self._read_head()
        if not self._head or not self._is_complete():
            return None
        body = bytes(self._received[self._head :])
        self._received.clear()
        self._head = 0
        return body

    def _read(self) -> bytes:
        piece = self.sock.recv(RECEIVE_BYTES)
        if not piece:
            raise WrongAnswer("the server closed the connection")
        return piece

    def _is_complete(self) -> bool:
        if self._length is None:
            return self._received.endswith(b"\r\n0\r\n\r\n")  # which no JSON contains
        return len(self._received) >= self._length

    def _read_head(self) -> None:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        lines = bytes(self._received[:end]).decode("latin-1").split("\r\n")
        if not lines[0].startswith("HTTP/1.1 2"):
            raise WrongAnswer(self._received[:2000].decode("latin-1"))
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        self._head = end + 4
        self._length = self._head + int(headers["content-length"]) if "content-length" in headers else None

    def ask(self, raw: bytes) -> bytes:
        """Send a request and return its answer's body."""
        self.send(raw)
        while (body := self.receive()) is None:
            pass
        return body if self._length is not None else b"".join(_chunks(body))

    def watch(self, path: str) -> BinaryIO:
        """Open a watch; return its stream of events, from which lines of chunks' lengths are to be read, too."""
        self.send(request("GET", path))
        stream = self.sock.makefile("rb")
        if not stream.readline().startswith(b"HTTP/1.1 200"):
            raise WrongAnswer(f"no watch of {path}")
        while stream.readline().strip():
            pass  # the head
        return stream


def _chunks(body: bytes) -> Iterator[bytes]:
    """Yield the pieces of a body that came in chunks (RFC 9112, section 7.1)."""
    start = 0
    while size := int(body[start : (end := body.index(b"\r\n", start))], 16):
        yield body[end + 2 : end + 2 + size]
        start = end + 2 + size + 2


def drive(target: Target, requests: Iterable[bytes], *, clients: int) -> Measured:
    """Send all requests over that many connections, each the next as soon as it is free."""
    left = iter(requests)
    measured = Measured()
    connections = [Connection(target) for _ in range(clients)]
    with selectors.DefaultSelector() as selector:
        begun = time.perf_counter()
        for connection in connections:
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
