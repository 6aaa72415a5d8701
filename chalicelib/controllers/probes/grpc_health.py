"""The one gRPC call of a probe: grpc.health.v1.Health/Check, over HTTP/2 without TLS.

So little of HTTP/2 is needed for one request on one stream that no library is worth it: header fields are sent as
literals, those of the answer are not read. References: RFC 9113 (frames), RFC 7541 section 6.2.2 (literals),
github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md and doc/health-checking.md.
"""

from __future__ import annotations

import struct

from chalicelib.controllers.probes.wire import Wire

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PADDED = 8
STREAM = 1
LONGEST_FRAME = 16 * 1024  # bytes, as long as nobody has allowed more
MOST_FRAMES = 100  # of an answer of some ten bytes
STATUSES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
LONGEST_TEXT = 127  # bytes of a header's value, and of a service's name, whose length fits into one


def check(wire: Wire, authority: str, service: str) -> str:
    """Return the status that the service has: SERVING and others. Raises EOFError, OSError, ValueError."""
    name = service.encode()
    if len(name) > LONGEST_TEXT or len(authority) > LONGEST_TEXT:
        raise ValueError(f"a service's name of more than {LONGEST_TEXT} bytes")
    request = b"\x0a" + bytes([len(name)]) + name if name else b""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/grpc.health.v1.Health/Check",
        ":authority": authority,
        "te": "trailers",
        "content-type": "application/grpc",
        "user-agent": "kube-probe/1.36",
    }
    block = b"".join(b"\x00" + _text(key) + _text(value) for key, value in fields.items())
    message = b"\x00" + struct.pack(">I", len(request)) + request
    wire.send(
        PREFACE
        + _frame(SETTINGS, 0, 0, b"")
        + _frame(HEADERS, END_HEADERS, STREAM, block)
        + _frame(DATA, END_STREAM, STREAM, message)
    )
    return _read_status(_answer(wire))


def _answer(wire: Wire) -> bytes:
    """Return the message of the answer, without its prefix of five bytes."""
    body = b""
    for _ in range(MOST_FRAMES):
        head = wire.read(9)
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        if length > LONGEST_FRAME:
            raise ValueError("not an HTTP/2 server")
        payload = wire.read(length)
        stream = int.from_bytes(head[5:], "big") & 0x7FFFFFFF
        if kind == SETTINGS and not flags & ACK:
            wire.send(_frame(SETTINGS, ACK, 0, b""))
        elif kind == PING and not flags & ACK:
            wire.send(_frame(PING, ACK, 0, payload))
        elif kind in (RESET, GOAWAY):
            raise ValueError("the server has ended the stream")
        elif kind == DATA and stream == STREAM:
            body += payload[1 : length - payload[0]] if flags & PADDED and payload else payload
            if len(body) >= 5 and len(body) >= 5 + struct.unpack(">I", body[1:5])[0]:
                return body[5 : 5 + struct.unpack(">I", body[1:5])[0]]
        if stream == STREAM and kind in (DATA, HEADERS) and flags & END_STREAM:
            raise ValueError("the server does not answer grpc.health.v1.Health/Check for this service")
    raise ValueError("too long an answer")


def _read_status(message: bytes) -> str:
    """Return the enum of field 1 of a HealthCheckResponse."""
    if not message:
        return STATUSES[0]
    if len(message) != 2 or message[0] != 0x08 or message[1] >= len(STATUSES):
        raise ValueError("not a HealthCheckResponse")
    return STATUSES[message[1]]


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _text(text: str) -> bytes:
    """Return a text as HPACK has it without compression; shorter than 128 bytes."""
    data = text.encode()
    return bytes([len(data)]) + data
