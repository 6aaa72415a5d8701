"""The client's side of SPDY/3.1, for tests: frames as kubectl's library makes them."""

from __future__ import annotations

import struct
import zlib

from sparkanywhere.streaming.spdy import DICTIONARY, FLAG_FIN, PING, RST_STREAM, SYN_STREAM, VERSION


class SpdyClient:
    """Makes frames. Headers are packed as one stream, so keep one for a connection."""

    def __init__(self) -> None:
        self._pack = zlib.compressobj(zdict=DICTIONARY)

    def open(self, stream: int, headers: dict[str, str], *, ends: bool = False) -> bytes:
        """Return a SYN_STREAM."""
        block = struct.pack(">I", len(headers))
        for name, value in headers.items():
            for word in (name.encode(), value.encode()):
                block += struct.pack(">I", len(word)) + word
        packed = self._pack.compress(block) + self._pack.flush(zlib.Z_SYNC_FLUSH)
        return control(SYN_STREAM, struct.pack(">IIH", stream, 0, 0) + packed, FLAG_FIN if ends else 0)

    def data(self, stream: int, data: bytes, *, ends: bool = False) -> bytes:
        """Return a data frame."""
        return struct.pack(">II", stream, (FLAG_FIN if ends else 0) << 24 | len(data)) + data

    def ping(self, number: int) -> bytes:
        """Return a PING."""
        return control(PING, struct.pack(">I", number))

    def reset(self, stream: int) -> bytes:
        """Return a RST_STREAM."""
        return control(RST_STREAM, struct.pack(">II", stream, 5))


def control(kind: int, payload: bytes, flags: int = 0) -> bytes:
    """Return a control frame."""
    return struct.pack(">II", 0x80000000 | VERSION << 16 | kind, flags << 24 | len(payload)) + payload
