"""Pure: the head of a request as a handler sees it, from what h11 has parsed.

Reference: RFC 9112 (HTTP/1.1) sections 3 and 6.3. Refuses more than h11 does where two readings exist, since every
known client of Kubernetes writes the plain form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import h11

_ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


class BadRequest(Exception):
    """The request is refused before a handler sees it; the connection can't be used any more."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


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
