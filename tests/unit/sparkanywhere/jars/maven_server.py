"""A Maven repository of the tests: jars by their paths, and what goes wrong with each request."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sparkanywhere.jars.coordinate import parse
from sparkanywhere.jars.table import Jar

CUT, ELSEWHERE = "cut", "elsewhere"


class MavenServer(ThreadingHTTPServer):
    """Answers as `faults` say, one for each request of a path, then well; notes who asked for what."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.contents: dict[str, bytes] = {}
        self.faults: dict[str, list[int | str]] = {}
        self.asked: list[tuple[str, str, str]] = []  # path, Range, Authorization
        self.together: threading.Barrier | None = None  # that so many requests must reach before any is answered

    @property
    def url(self) -> str:
        """Return the repository's URL, below a folder."""
        return f"http://127.0.0.1:{self.server_port}/maven2"

    def add(self, coordinate: str, content: bytes, *, pinned: bytes = b"") -> Jar:
        """Keep a jar; return it as a table pins it, with the checksum of other bytes if those are given."""
        parsed, told = parse(coordinate), pinned or content
        self.contents[f"/maven2/{parsed.path}"] = content
        return Jar(parsed, hashlib.sha256(told).hexdigest(), len(told))

    def go_wrong(self, jar: Jar, *faults: int | str) -> None:
        """Answer the next requests for a jar with these codes, cut them off half-way, or send them to another host."""
        self.faults[f"/maven2/{jar.coordinate.path}"] = list(faults)


class _Handler(BaseHTTPRequestHandler):
    server: MavenServer

    def do_GET(self) -> None:
        """Answer with a jar, or as the server's faults say."""
        server, wanted = self.server, self.headers.get("Range", "")
        server.asked.append((self.path, wanted, self.headers.get("Authorization", "")))
        if server.together is not None:
            server.together.wait()
        faults = server.faults.get(self.path) or []
        fault = faults.pop(0) if faults else ""
        if fault == ELSEWHERE:
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{server.server_port}{self.path}")
            self.end_headers()
            return
        content = server.contents.get(self.path)
        if isinstance(fault, int) or content is None:
            self.send_error(fault if isinstance(fault, int) else 404)
            return
        begin = int(wanted.removeprefix("bytes=").rstrip("-") or "0")
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        end = (begin + len(content)) // 2 if fault == CUT else len(content)
        self.wfile.write(content[begin:end])

    def log_message(self, format: str, *args: object) -> None:  # the base class's name
        """Print nothing."""


@contextmanager
def maven_server() -> Iterator[MavenServer]:
    """Yield a running repository."""
    with MavenServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
