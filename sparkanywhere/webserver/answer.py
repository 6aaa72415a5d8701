"""A handler's answer, and how it becomes bytes; streams go chunk by chunk.

Reference: RFC 9112 sections 6 and 7.1, RFC 9110 section 15.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

from sparkanywhere.webserver.head import RequestHead

if TYPE_CHECKING:
    from sparkanywhere.webserver.wire import Wire

LAST_CHUNK = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BODILESS = frozenset({204, 304})
_OURS = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "date"})
_REASONS = {status.value: status.phrase for status in HTTPStatus}

Takeover = Callable[["Wire"], None]


@dataclass(frozen=True, slots=True)
class Request:
    """One request as a handler sees it."""

    head: RequestHead
    body: bytes
    client: tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a handler wants sent: a body, or a stream of pieces, or the connection itself (`takeover`).

    Each piece of a stream is sent at once as one chunk; an empty piece sends nothing and asks
    only whether the client is still there. The stream's close(), where it has one, is called in any case.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    stream: Iterator[bytes] | None = None
    takeover: Takeover | None = None

    @property
    def asks_close(self) -> bool:
        """Return whether the handler wants the connection closed after this answer."""
        return any(name.lower() == "connection" and "close" in value.lower() for name, value in self.headers)


Handler = Callable[[Request], Answer]


def answer_head(answer: Answer, *, chunked: bool, close: bool, now: float) -> bytes:
    """Return status line and headers. Line ends within a header's value are made spaces."""
    lines = [f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Unknown')}"]
    for name, value in answer.headers:
        if name.lower() not in _OURS:
            lines.append(f"{name}: {' '.join(value.splitlines())}")
    lines.append(f"Date: {formatdate(now, usegmt=True)}")
    if answer.stream is not None:
        if chunked:
            lines.append("Transfer-Encoding: chunked")
    elif answer.status not in _BODILESS:
        lines.append(f"Content-Length: {len(answer.body)}")
    if close:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


def has_body(answer: Answer, method: str) -> bool:
    """Return whether anything follows the head: not to HEAD, and not with 204 and 304."""
    return method != "HEAD" and answer.status not in _BODILESS


def chunk(piece: bytes) -> bytes:
    """Return a piece, not empty, as one chunk."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)
