"""A small threaded HTTP/1.1 server, for everything in the box that AWS would serve."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; header names are in lower case, `headers` has every value.

    A body that Lambda's Runtime API is to pass on as it comes is in `pieces`.
    """

    method: str
    target: str  # path and query, as sent
    headers: list[tuple[str, str]]
    body: bytes
    pieces: Iterator[bytes] | None = None

    def header(self, name: str) -> str:
        """Return the last value of a header, "" if it was not sent."""
        return next((value for key, value in reversed(self.headers) if key.lower() == name), "")


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response; a `stream` is sent as it comes, in chunks, and closed."""

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    stream: Generator[bytes] | None = None


Handle = Callable[[Request], Answer]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512
    block_on_close = False
    handle: Handle

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that goes away in mid-answer is none of our tests' business."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def _answer(self) -> None:
        is_streamed = self.headers.get("Lambda-Runtime-Function-Response-Mode") == "streaming"
        body, pieces = (b"", self._chunks()) if is_streamed else (self._body(), None)
        request = Request(self.command, self.path, list(self.headers.items()), body, pieces)
        answer = self.server.handle(request)
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.stream is not None:
            self._send_stream(answer.stream)
            return
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _answer

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return b"".join(self._chunks())

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _send_stream(self, pieces: Generator[bytes]) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with closing(pieces):
            for piece in pieces:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


class HttpServer:
    """Serves `handle` on a free port, a thread per connection, until close(); over TLS if it gets a context."""

    def __init__(self, handle: Handle, *, host: str = LOOPBACK, tls: ssl.SSLContext | None = None) -> None:
        self._server = _Server((host, 0), _Handler)
        self._server.handle = handle
        self._scheme = "https" if tls else "http"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.host, self.port = host, int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Return the server's URL, without a slash at its end."""
        return f"{self._scheme}://{self.host}:{self.port}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
