"""Ports as SPDY streams, in a WebSocket (kubectl from 1.31 on) or on the bare connection (older ones).

For each connection the client opens two streams with the same `requestid` and `port`: `streamtype` error,
then data. Reference: kubernetes/pkg/kubelet/cri/streaming/portforward/httpstream.go (v1.32).
"""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from typing import Protocol

from chalicelib.providers.base import ProviderError
from sparkanywhere.streaming import spdy
from sparkanywhere.streaming.port_forward import Connect, failure
from sparkanywhere.streaming.relay import Relay

STREAMS_LIMIT = 512  # of one client at once: each has a thread and a connection


class Carrier(Protocol):
    """What SPDY runs on."""

    def receive(self) -> bytes | None:
        """Wait for bytes; None at the end."""
        ...

    def send(self, message: bytes) -> None:
        """Send bytes. Raises OSError."""
        ...


@dataclass(slots=True)
class _Connection:
    """One forwarded connection: its two streams and, once there are both, its relay."""

    port: int
    error_stream: int
    data_stream: int = 0
    relay: Relay | None = None


class SpdyPortForward:
    """Carries bytes between the client's streams and the ports of one pod."""

    def __init__(self, carrier: Carrier, *, pod: str, connect: Connect) -> None:
        self._carrier = carrier
        self._pod = pod
        self._connect = connect
        self._decoder = spdy.Decoder()
        self._encoder = spdy.Encoder()
        self._sending = threading.Lock()
        self._by_request: dict[str, _Connection] = {}
        self._by_data_stream: dict[int, _Connection] = {}

    def run(self) -> None:
        """Carry bytes until the client leaves."""
        try:
            while (data := self._carrier.receive()) is not None:
                for frame in self._decoder.feed(data):
                    self._take(frame)
        except (OSError, spdy.SpdyError):
            pass  # the client has left, or does not speak SPDY
        finally:
            for connection in list(self._by_data_stream.values()):
                if connection.relay is not None:
                    connection.relay.close()

    def _take(self, frame: spdy.Frame) -> None:
        match frame:
            case spdy.Opened(stream, headers, _):
                self._open(stream, headers)
            case spdy.Data(stream, data, ends):
                relay = self._relay_of(stream)
                if relay is not None and data:
                    relay.write(data)
                if relay is not None and ends:
                    relay.end_input()
            case spdy.Reset(stream):
                relay = self._relay_of(stream)
                if relay is not None:
                    relay.close()
            case spdy.Pinged(number):
                self._send(self._encoder.pong(number))

    def _open(self, stream: int, headers: dict[str, str]) -> None:
        request, kind, port = headers.get("requestid", ""), headers.get("streamtype"), headers.get("port", "")
        is_port = port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536
        connection = self._by_request.get(request)
        if kind == "error" and is_port and connection is None and len(self._by_request) < STREAMS_LIMIT:
            self._by_request[request] = _Connection(int(port), error_stream=stream)
            self._reply(stream)
        elif kind == "data" and connection is not None and not connection.data_stream:
            connection.data_stream = stream
            self._by_data_stream[stream] = connection
            self._reply(stream)
            self._begin(request, connection)
        else:
            self._send(self._encoder.reset(stream, spdy.REFUSED_STREAM))

    def _begin(self, request: str, connection: _Connection) -> None:
        try:
            sock = self._connect(connection.port)
        except (OSError, ProviderError) as error:
            text = failure(connection.port, self._pod, error).encode()
            self._send(self._encoder.data(connection.error_stream, text, ends=True))
            self._send(self._encoder.data(connection.data_stream, b"", ends=True))
            self._forget(request, connection)
            return
        connection.relay = Relay(sock, functools.partial(self._deliver, request, connection))
        connection.relay.start()

    def _deliver(self, request: str, connection: _Connection, data: bytes) -> None:
        self._send(self._encoder.data(connection.data_stream, data, ends=not data))
        if not data:
            self._send(self._encoder.data(connection.error_stream, b"", ends=True))
            self._forget(request, connection)

    def _relay_of(self, stream: int) -> Relay | None:
        """Return a data stream's relay; None for an error stream, and for a connection that has ended."""
        connection = self._by_data_stream.get(stream)
        return connection.relay if connection is not None else None

    def _forget(self, request: str, connection: _Connection) -> None:
        self._by_data_stream.pop(connection.data_stream, None)
        self._by_request.pop(request, None)

    def _reply(self, stream: int) -> None:
        with self._sending:  # made and sent in one go: replies are packed one upon the other
            self._carrier.send(self._encoder.reply(stream))

    def _send(self, data: bytes) -> None:
        with self._sending:
            self._carrier.send(data)
