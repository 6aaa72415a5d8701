"""A gateway that serves a control plane under a stage's path, as API Gateway does, and may refuse watches."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

STAGE = "/prod"
SECONDS = 30.0


class Stage:
    """What the gateway has seen, and whether watches pass."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.refuses_watches = False
        self.outside: list[str] = []  # paths asked for outside of the stage
        self.url = ""


def _handler(stage: Stage) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(STAGE):
                stage.outside.append(self.path)
                return self.answer(403, "text/plain", b"Forbidden")
            if stage.refuses_watches and "watch=" in self.path:
                return self.answer(504, "text/plain", b"Endpoint request timed out")
            path = self.path.removeprefix(STAGE).replace("timeoutSeconds=300", "timeoutSeconds=2")
            accept = {"Accept": self.headers["Accept"]}
            got = requests.get(stage.origin + (path or "/"), headers=accept, timeout=SECONDS)
            return self.answer(got.status_code, got.headers.get("Content-Type", ""), got.content)

        def do_POST(self) -> None:  # of what the page sends that way, only a local server has a route
            return self.answer(403, "application/json", b'{"message":"Missing Authentication Token"}')

        def answer(self, code: int, content_type: str, body: bytes) -> None:
            with contextlib.suppress(ConnectionError):  # the browser may have left
                self.send_response(code)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: ARG002  # its parent's names
            return

    return Handler


@contextlib.contextmanager
def stage_of(origin: str) -> Iterator[Stage]:
    """Serve a control plane at STAGE of a port of its own; watches are buffered for two seconds."""
    stage = Stage(origin)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(stage))
    stage.url = f"http://127.0.0.1:{server.server_port}{STAGE}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield stage
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
