"""The body of a request, by length or in chunks, never beyond a limit.

Reference: RFC 9112 sections 6 and 7.
"""

from __future__ import annotations

import re
from typing import BinaryIO

from sparkanywhere.webserver.head import BadRequest

_CHUNK_LINE_BYTES = 1024  # a size in hex and an extension that nobody uses
_TRAILER_BYTES = 16 * 1024
_HEX = re.compile(rb"[0-9A-Fa-f]{1,15}")


class BodyTooLarge(Exception):
    """The body is larger than what is read here."""


def read_body(reader: BinaryIO, length: int | None, *, limit: int) -> bytes:
    """Return the whole body: `length` bytes, or chunks if it is None.

    Raises BodyTooLarge as soon as it is known to pass `limit` bytes, BadRequest if it is cut or malformed.
    """
    if length is None:
        return _read_chunks(reader, limit)
    if length > limit:
        raise BodyTooLarge
    return _read_exactly(reader, length) if length else b""


def _read_exactly(reader: BinaryIO, length: int) -> bytes:
    data = reader.read(length)
    if len(data) != length:
        raise BadRequest(400, "the connection ended within the request body")
    return data


def _read_chunks(reader: BinaryIO, limit: int) -> bytes:
    chunks: list[bytes] = []
    total = 0
    while size := _chunk_size(reader):
        total += size
        if total > limit:
            raise BodyTooLarge
        chunks.append(_read_exactly(reader, size))
        if _read_line(reader) != b"":
            raise BadRequest(400, "malformed chunked encoding")
    _skip_trailers(reader)
    return b"".join(chunks)


def _chunk_size(reader: BinaryIO) -> int:
    digits = _read_line(reader).partition(b";")[0].strip()
    if not _HEX.fullmatch(digits):
        raise BadRequest(400, "malformed chunked encoding")
    return int(digits, 16)


def _skip_trailers(reader: BinaryIO) -> None:
    left = _TRAILER_BYTES
    while line := _read_line(reader):
        left -= len(line)
        if left < 0:
            raise BadRequest(431, "the trailers of the request are too long")


def _read_line(reader: BinaryIO) -> bytes:
    line = reader.readline(_CHUNK_LINE_BYTES)
    if not line.endswith(b"\n"):
        raise BadRequest(400, "malformed chunked encoding")
    return line.removesuffix(b"\n").removesuffix(b"\r")
