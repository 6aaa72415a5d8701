"""SPDY/3.1 frames as Kubernetes' clients use them: streams with headers, data, pings. Pure.

Without flow control, which their library (github.com/moby/spdystream) has none of. Reference: SPDY Protocol,
draft 3.1, chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

VERSION = 3
SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS = 1, 2, 3, 4, 6, 7, 8
FLAG_FIN = 0x01
REFUSED_STREAM = 3

FRAME_BYTES = 1024 * 1024  # clients send 32 KiB at a time
HEADER_BYTES = 16 * 1024  # a stream's headers, unpacked

# Draft 3, 2.6.10.1: words as they stand in a header block (length, then text), and then a tail.
_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age"
    " allow authorization cache-control connection content-base content-encoding content-language"
    " content-length content-location content-md5 content-range content-type date etag expect expires from"
    " host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location"
    " max-forwards pragma proxy-authenticate proxy-authorization range referer retry-after server te trailer"
    " transfer-encoding upgrade user-agent vary via warning www-authenticate method get status 200_OK version"
    " HTTP/1.1 url public set-cookie keep-alive origin"
)
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


_ENTRIES = [word.replace("_", " ").encode("ascii") for word in _WORDS.split()]
DICTIONARY = b"".join(struct.pack(">I", len(entry)) + entry for entry in _ENTRIES) + _TAIL.encode("ascii")


class SpdyError(Exception):
    """What came is not SPDY/3.1, or beyond our limits; the connection can't go on."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The client opens a stream; header names in lower case."""

    stream: int
    headers: dict[str, str]
    ends: bool


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a stream; `ends` says that no more come from this side."""

    stream: int
    data: bytes
    ends: bool


@dataclass(frozen=True, slots=True)
class Reset:
    """A stream is over in both directions."""

    stream: int


@dataclass(frozen=True, slots=True)
class Pinged:
    """The client wants the same number back."""

    number: int


@dataclass(frozen=True, slots=True)
class GoneAway:
    """The client opens no more streams."""


Frame = Opened | Data | Reset | Pinged | GoneAway


class Decoder:
    """Bytes in, frames out. Headers of one connection are packed as one stream, so all must pass here."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._unpack = zlib.decompressobj(zdict=DICTIONARY)

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that are complete now. Raises SpdyError."""
        self._buffer += data
        frames: list[Frame] = []
        while len(self._buffer) >= 8:
            first, second = struct.unpack_from(">II", self._buffer)
            flags, length = second >> 24, second & 0xFFFFFF
            if length > FRAME_BYTES:
                raise SpdyError(f"a frame of {length} bytes")
            if len(self._buffer) < 8 + length:
                break
            payload = bytes(self._buffer[8 : 8 + length])
            del self._buffer[: 8 + length]
            frame = self._frame(first, flags, payload)
            if frame is not None:
                frames.append(frame)
        return frames

    def _frame(self, first: int, flags: int, payload: bytes) -> Frame | None:
        if not first & 0x80000000:
            return Data(first & 0x7FFFFFFF, payload, bool(flags & FLAG_FIN))
        if (first >> 16) & 0x7FFF != VERSION:
            raise SpdyError("not version 3")
        try:
            kind = first & 0xFFFF
            if kind == SYN_STREAM:
                (stream,) = struct.unpack_from(">I", payload)
                return Opened(stream & 0x7FFFFFFF, self._headers(payload[10:]), bool(flags & FLAG_FIN))
            if kind in (SYN_REPLY, HEADERS):
                self._headers(payload[4:])  # nothing for us, but the next headers are packed upon these
            elif kind == RST_STREAM:
                return Reset(struct.unpack_from(">I", payload)[0] & 0x7FFFFFFF)
            elif kind == PING:
                return Pinged(struct.unpack_from(">I", payload)[0])
            elif kind == GOAWAY:
                return GoneAway()
            return None
        except (struct.error, zlib.error, UnicodeDecodeError) as error:
            raise SpdyError(f"a broken frame: {error}") from error

    def _headers(self, packed: bytes) -> dict[str, str]:
        block = self._unpack.decompress(packed, HEADER_BYTES)
        if self._unpack.unconsumed_tail:
            raise SpdyError("the headers of a stream are too long")
        words: list[str] = []
        (pairs,) = struct.unpack_from(">I", block)
        at = 4
        for _ in range(2 * min(pairs, HEADER_BYTES)):
            (length,) = struct.unpack_from(">I", block, at)
            words.append(block[at + 4 : at + 4 + length].decode("utf-8"))
            at += 4 + length
        return dict(zip((name.lower() for name in words[::2]), words[1::2], strict=True))


class Encoder:
    """Frames to bytes. What it returns must be sent in the order it was made."""

    def __init__(self) -> None:
        self._pack = zlib.compressobj(zdict=DICTIONARY)

    def reply(self, stream: int) -> bytes:
        """Accept a stream."""
        headers = self._pack.compress(struct.pack(">I", 0)) + self._pack.flush(zlib.Z_SYNC_FLUSH)
        return _control_frame(SYN_REPLY, struct.pack(">I", stream) + headers)

    def data(self, stream: int, data: bytes, *, ends: bool = False) -> bytes:
        """Send bytes on a stream, at most FRAME_BYTES."""
        flags = FLAG_FIN if ends else 0
        return struct.pack(">II", stream, flags << 24 | len(data)) + data

    def reset(self, stream: int, why: int) -> bytes:
        """End a stream in both directions."""
        return _control_frame(RST_STREAM, struct.pack(">II", stream, why))

    def pong(self, number: int) -> bytes:
        """Answer a ping."""
        return _control_frame(PING, struct.pack(">I", number))


def _control_frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">II", 0x80000000 | VERSION << 16 | kind, len(payload)) + payload
