"""HTTP messages: the head of a request, from what h11 has parsed, and a handler's answer as bytes. Pure.

Reference: RFC 9112 sections 3, 6 and 7.1, RFC 9110 section 15. Of requests more is refused than h11 does where two
readings exist, since every known client of Kubernetes writes the plain form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus

import h11

from sparkanywhere.webserver.wire import Wire

_ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
LAST_CHUNK = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BODILESS = frozenset({204, 304})
_OURS = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "date"})
_REASONS = {status.value: status.phrase for status in HTTPStatus}
Takeover = Callable[[Wire], None]


class BadRequest(Exception):
    """The request is refused before a handler sees it; the connection can't be used any more."""

    def __init__(self, code: int, message: str, answer: Answer | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.answer = answer  # where the application has worded it itself


@dataclass(frozen=True, slots=True)
class RequestHead:
    """Request line and headers; header names in lower case, repeated ones joined by a comma."""

    method: str
    target: str  # as sent: path and query, still percent-encoded
    minor_version: int
    headers: dict[str, str]

    @property
    def path(self) -> str:
        """Return the target without its query."""
        return self.target.partition("?")[0]

    @property
    def wants_close(self) -> bool:
        """Return whether the connection ends with this request, by the client's word or its version."""
        options = {word.strip().lower() for word in self.headers.get("connection", "").split(",")}
        return "close" in options or (self.minor_version == 0 and "keep-alive" not in options)


def request_head(request: h11.Request, *, header_count: int) -> RequestHead:
    """Return the head of a request. Raises BadRequest."""
    if request.http_version not in (b"1.1", b"1.0"):
        raise BadRequest(505, "unsupported protocol version: HTTP/1.0 and HTTP/1.1 are spoken here")
    if len(request.headers) > header_count:
        raise BadRequest(431, f"too many request headers: at most {header_count}")
    headers: dict[str, str] = {}
    for raw_name, raw_value in request.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if " " in headers.get("host", ""):  # h11 has joined a folded line
        raise BadRequest(400, "malformed Host header")
    if "transfer-encoding" in headers and "content-length" in headers:
        raise BadRequest(400, "both Content-Length and Transfer-Encoding are set")
    target = _ABSOLUTE.sub("", request.target.decode("ascii"), count=1) or "/"  # a proxy's form
    if target.startswith("?"):
        target = f"/{target}"
    if not target.startswith("/"):
        raise BadRequest(400, "malformed HTTP request target")
    return RequestHead(request.method.decode("ascii"), target, int(request.http_version[-1:]), headers)


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


def tell_nobody(_head: RequestHead, _client: tuple[str, int], _why: str) -> None:
    """Keep no record of a refusal."""


def admit_all(_head: RequestHead, _client: tuple[str, int]) -> None:
    """Refuse nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What answers requests. All of it is called from many threads at once.

    `refuse` words a refusal of ours, given its code and message. `stranger` is asked before a long body is read, and
    returns the answer to a caller whom the application does not know, or None. `forbidden` is told of each request that
    is refused with 403 for whose it is or where it comes from, and why. `own_names` are names of this server in lower
    case, besides those of `origin`.
    """

    handler: Handler
    refuse: Callable[[int, str], Answer]
    stranger: Callable[[RequestHead, tuple[str, int]], Answer | None] = admit_all
    forbidden: Callable[[RequestHead, tuple[str, int], str], None] = tell_nobody
    own_names: frozenset[str] = frozenset()


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
