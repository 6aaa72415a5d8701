"""A small Chalice app for tests of the server: one view for every path, as in the real app."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

from chalice.app import Chalice, Response

SLOW_SECONDS = 0.3  # what a slow request takes
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


class Streams:
    """What the stub's streams did, and the bell that makes the waiting ones speak."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.words = 0
        self.opened = 0
        self.closed = 0
        self.slow = 0

    def ring(self) -> None:
        """Make every waiting stream send one piece."""
        with self.changed:
            self.words += 1
            self.changed.notify_all()

    def pieces(self, *, patience: float) -> Iterator[bytes]:
        """Yield a piece for each ring, an empty one after `patience` seconds without one."""
        with self.changed:
            self.opened += 1
            seen = self.words
        try:
            yield b"hello\n"
            while True:
                with self.changed:
                    self.changed.wait_for(lambda: self.words > seen, timeout=patience)  # noqa: B023
                    new = self.words - seen
                    seen = self.words
                yield b"".join([b"word\n"] * new)
        finally:
            with self.changed:
                self.closed += 1
                self.changed.notify_all()


class StreamResponse(Response):
    """A response whose body is a stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__(body="", status_code=200, headers={"Content-Type": "text/plain"})
        self.pieces = pieces

    def to_dict(self, binary_types: list[str] | None = None) -> dict[str, Any]:
        """Return the proxy response with the stream in it."""
        return {**super().to_dict(binary_types), "x-stream": self.pieces}


def _broken() -> Iterator[bytes]:
    yield b"one\n"
    raise RuntimeError("the secret is 42")


def stub_app(streams: Streams) -> Chalice:
    """Return the app: it echoes, streams under /stream, and fails under /fail."""
    app = Chalice(app_name="stub")

    def view(**_: str) -> Response:
        request = app.current_request
        assert request is not None
        path = str(request.context["path"])
        query = dict(request.query_params or {})
        patience = float(query.get("patience", "0.2"))
        if path == "/stream":
            return StreamResponse(streams.pieces(patience=patience))
        if path == "/stream/short":
            return StreamResponse(iter([b"one\n", b"", b"two\n"]))
        if path == "/stream/broken":
            return StreamResponse(_broken())
        if path == "/fail":
            raise RuntimeError("the secret is 42")
        if path in ("/unauthorized", "/quiet"):
            return Response(body="", status_code=401 if path == "/unauthorized" else 200)
        if path == "/long":
            return Response(body="a" * int(query["mib"]) * 1024 * 1024, headers={"Content-Type": "text/plain"})
        if path == "/slow":
            streams.slow += 1
            time.sleep(SLOW_SECONDS)
        headers: dict[str, str | list[str]] = {"Content-Type": "text/plain"}
        if path == "/close":
            headers["Connection"] = "close"
        sent = request.raw_body
        echo = sent if isinstance(sent, bytes) else sent.encode()
        return Response(body=f"{request.method} {path} ".encode() + echo, headers=headers)

    path = ""
    app.route("/", methods=METHODS, content_types=[])(view)
    for depth in range(1, 4):
        path += f"/{{p{depth}}}"
        app.route(path, methods=METHODS, content_types=[], name=f"depth{depth}")(view)
    return app
