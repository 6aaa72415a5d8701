"""HTTP as it is: headers as they are sent, bodies as they come. On the standard library, which changes neither."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from sparkanywhere.client.kube_client import Access, tls_context

ANSWER_SECONDS = 30.0
AGENT = "diffclient/1.0"  # the manager of fields in all recordings, by its first word
OPEN_SECONDS = 0.25  # after a watch's headers, until it surely hears what is written


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, or the lines of a watch (`lines`) and how it ended."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    lines: list[bytes] | None = None
    ended: str = ""


class Client:
    """Sends requests on a connection of its own for each."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._tls = tls_context(access) if access.url.startswith("https:") else None

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Return the answer. Raises OSError, HTTPException."""
        connection = self._connect(ANSWER_SECONDS)
        try:
            connection.request(method, path, body, self._headers(headers))
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def watch(
        self, path: str, headers: Mapping[str, str], *, seconds: float, most: int | None, meanwhile: Callable[[], None]
    ) -> Answer:
        """Return the lines of a watch, until it ends, `most` came or `seconds` are over."""
        connection = self._connect(ANSWER_SECONDS)
        lines: list[bytes] = []
        writer = threading.Timer(OPEN_SECONDS, meanwhile)
        try:
            connection.request("GET", path, None, self._headers(headers))
            answer = connection.getresponse()
            if answer.status != 200:
                return Answer(answer.status, answer.getheaders(), answer.read())
            writer.start()
            ended, deadline = "enough", time.monotonic() + seconds
            while most is None or len(lines) < most:
                connection.sock.settimeout(max(deadline - time.monotonic(), 0.05))
                try:
                    line = answer.readline()
                except TimeoutError:
                    ended = "client-timeout"
                    break
                except (HTTPException, ConnectionError):
                    ended = "broken"
                    break
                if not line:
                    ended = "server-closed"
                    break
                lines += [line] if line.strip() else []
            return Answer(200, answer.getheaders(), b"", lines, ended)
        finally:
            connection.close()
            if writer.is_alive():
                writer.join()

    def _headers(self, given: Mapping[str, str]) -> dict[str, str]:
        usual = {"Accept": "application/json", "User-Agent": AGENT, "Authorization": f"Bearer {self._access.token}"}
        return {**usual, **given}

    def _connect(self, seconds: float) -> HTTPConnection:
        address = urlsplit(self._access.url)
        assert address.hostname is not None
        if self._tls is None:
            return HTTPConnection(address.hostname, address.port, timeout=seconds)
        return HTTPSConnection(address.hostname, address.port, timeout=seconds, context=self._tls)
