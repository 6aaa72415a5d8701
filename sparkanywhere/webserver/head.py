"""Pure: the head of an HTTP/1.1 request, from bytes to RequestHead, or what is wrong with it.

Reference: RFC 9112 (HTTP/1.1) sections 3, 5 and 6.3. Stricter than it must be where two readings exist,
since every known client of Kubernetes writes the plain form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(r"[\x21-\x7e]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_DIGITS = re.compile(r"[0-9]{1,18}")
_ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


class BadRequest(Exception):
    """The request breaks HTTP; `code` is the answer's, and the connection can't be used any more."""

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
        options = self.options("connection")
        return "close" in options or (self.minor_version == 0 and "keep-alive" not in options)

    @property
    def expects_continue(self) -> bool:
        """Return whether the client waits for `100 Continue` before it sends the body."""
        return self.minor_version > 0 and "100-continue" in self.options("expect")

    def options(self, header: str) -> set[str]:
        """Return the comma-separated words of a header, in lower case."""
        return {word.strip().lower() for word in self.headers.get(header, "").split(",")} - {""}


def parse_head(raw: bytes, *, header_count: int) -> RequestHead:
    """Return the head that `raw` holds (up to its empty line). Raises BadRequest."""
    first, *lines = [line.removesuffix("\r") for line in raw.decode("latin-1").rstrip("\r\n").split("\n")]
    method, target, minor_version = _request_line(first)
    headers = _headers(lines, header_count)
    if minor_version > 0 and "host" not in headers:
        raise BadRequest(400, "missing required Host header")
    return RequestHead(method, target, minor_version, headers)


def body_length(head: RequestHead) -> int | None:
    """Return how long the body is in bytes, or None if it comes in chunks. Raises BadRequest."""
    coding = head.headers.get("transfer-encoding")
    length = head.headers.get("content-length")
    if coding is not None:
        if coding.strip().lower() != "chunked":
            raise BadRequest(501, f"unsupported transfer encoding: {coding[:100]!r}")
        if length is not None:
            raise BadRequest(400, "both Content-Length and Transfer-Encoding are set")
        return None
    if length is None:
        return 0
    lengths = {part.strip() for part in length.split(",")}
    if len(lengths) != 1 or not _DIGITS.fullmatch(text := lengths.pop()):
        raise BadRequest(400, f"bad Content-Length: {length[:100]!r}")
    return int(text)


def _request_line(line: str) -> tuple[str, str, int]:
    words = line.split(" ")
    if len(words) != 3:
        raise BadRequest(400, "malformed HTTP request line")
    method, target, version = words
    if not _TOKEN.fullmatch(method) or not _TARGET.fullmatch(target):
        raise BadRequest(400, "malformed HTTP request line")
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequest(505, "unsupported protocol version: HTTP/1.0 and HTTP/1.1 are spoken here")
    target = _ABSOLUTE.sub("", target, count=1) or "/"  # a proxy's form; the path is all that counts
    if target.startswith("?"):
        target = f"/{target}"
    if not target.startswith("/"):
        raise BadRequest(400, "malformed HTTP request target")
    return method, target, int(version[-1])


def _headers(lines: list[str], header_count: int) -> dict[str, str]:
    if len(lines) > header_count:
        raise BadRequest(431, f"too many request headers: at most {header_count}")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        value = value.strip(" \t")
        if not colon or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise BadRequest(400, "malformed HTTP header")
        name = name.lower()
        if name == "host" and name in headers:
            raise BadRequest(400, "too many Host headers")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
