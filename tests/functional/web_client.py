"""A bare HTTP client for tests: says what it is told to, byte for byte."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

SECONDS = 20.0  # no test waits longer for a byte


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer as it came: status, headers in lower case, body with the chunks joined."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:  # Any: whatever was sent
        """Return the body's JSON."""
        return json.loads(self.body)


class WebClient:
    """One connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.file = cast(BinaryIO, sock.makefile("rb"))

    def send(self, raw: bytes) -> None:
        """Send bytes."""
        self.sock.sendall(raw)

    def get(self, path: str, *, method: str = "GET", headers: str = "", body: bytes = b"") -> Reply:
        """Send a request and return the answer."""
        self.ask(path, method=method, headers=headers, body=body)
        return self.reply(has_body=method != "HEAD")

    def ask(self, path: str, *, method: str = "GET", headers: str = "", body: bytes = b"") -> None:
        """Send a request; `headers` is lines with their ends."""
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        self.send(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{length}{headers}\r\n".encode() + body)

    def head(self) -> tuple[int, dict[str, str]]:
        """Return status and headers of the next answer."""
        first = self.file.readline().decode()
        assert first, "the connection ended before an answer"
        lines = iter(lambda: self.file.readline().decode().strip(), "")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return int(first.split(" ")[1]), headers

    def chunk(self) -> bytes:
        """Return the next chunk; empty at the stream's end."""
        size = int(self.file.readline(), 16)
        data = self.file.read(size)
        assert self.file.readline() == b"\r\n"
        return data

    def reply(self, *, has_body: bool = True) -> Reply:
        """Return the next answer, whole."""
        status, headers = self.head()
        if not has_body:
            return Reply(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            return Reply(status, headers, b"".join(iter(self.chunk, b"")))
        length = headers.get("content-length")
        return Reply(status, headers, self.file.read(int(length)) if length else self.file.read())

    def is_at_end(self) -> bool:
        """Return whether the server has closed the connection; waits for it."""
        with contextlib.suppress(ConnectionResetError):
            return self.file.read(1) == b""
        return True


@contextlib.contextmanager
def connected(port: int, host: str = "127.0.0.1", *, source: str = "") -> Iterator[WebClient]:
    """Yield a connection to `port`, from the address `source` if one is given."""
    with socket.create_connection(
        (host, port), timeout=SECONDS, source_address=(source, 0) if source else None
    ) as sock:
        client = WebClient(sock)
        with client.file:
            yield client
