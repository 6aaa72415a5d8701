"""Connections to a pod's ports, each a pair of channels of the client: over a WebSocket, or as SPDY streams.

PortForward is for the Python client and fabric8: the n-th port asked for has channel 2n for data and 2n+1 for an error
text; on each the server first sends the port's number, 16 bits, little-endian, and connects at once. SpdyPortForward
is for kubectl, in a WebSocket (from 1.31 on) or on the bare connection: for each connection the client opens two
streams with the same `requestid` and `port`, `streamtype` error, then data. Reference:
kubernetes/pkg/kubelet/cri/streaming/portforward/websocket.go and httpstream.go (v1.32).
"""

from __future__ import annotations

import contextlib
import functools
import select
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chalicelib.providers.base import ProviderError
from sparkanywhere.streaming import spdy
from sparkanywhere.streaming.channels import Channels
from sparkanywhere.streaming.spdy_connection import SpdyConnection

PIECE_BYTES = 32 * 1024
WRITE_SECONDS = 30.0  # a peer that takes nothing for so long has its connection cut: others wait behind it
Connect = Callable[[int], socket.socket]
STREAMS_LIMIT = 512  # of one client at once: each has a thread and a connection


class Relay:
    """A TCP connection whose bytes go to `on_data`, an empty piece at its end."""

    def __init__(self, sock: socket.socket, on_data: Callable[[bytes], None]) -> None:
        sock.settimeout(None)
        self._sock = sock
        self._on_data = on_data
        self._thread = threading.Thread(target=self._read, name="relay", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def write(self, data: bytes) -> None:
        """Send bytes on; a peer that takes none is cut off."""
        rest = memoryview(data)
        try:
            while rest:
                poll = select.poll()
                poll.register(self._sock, select.POLLOUT)
                if not poll.poll(WRITE_SECONDS * 1000):
                    raise TimeoutError
                rest = rest[self._sock.send(rest, socket.MSG_DONTWAIT) :]
        except (OSError, ValueError):  # ValueError: closed already
            self.close()

    def end_input(self) -> None:
        """Say that no more bytes come."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End the connection; the reading thread then lets go of it. May be repeated."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def _read(self) -> None:
        with self._sock:
            try:
                while piece := self._sock.recv(PIECE_BYTES):
                    self._on_data(piece)
            except OSError:
                pass  # reset by the peer, or the client is gone: either way an end
            with contextlib.suppress(OSError):
                self._on_data(b"")


def failure(port: int, pod: str, error: Exception) -> str:
    """Return the error text for a port that can't be reached."""
    return f"error forwarding port {port} to pod {pod}: {error}"


class PortForward:
    """Carries bytes between a client's channels and the ports of one pod."""

    def __init__(self, channels: Channels, ports: Sequence[int], *, pod: str, connect: Connect) -> None:
        self._channels = channels
        self._ports = ports
        self._pod = pod
        self._connect = connect
        self._relays: dict[int, Relay] = {}

    def run(self) -> None:
        """Carry bytes until the client leaves or every port's connection has ended."""
        try:
            for number, port in enumerate(self._ports):
                self._open(2 * number, port)
            while self._relays and (piece := self._channels.receive()) is not None:
                relay = self._relays.get(piece.channel)
                if relay is not None:
                    relay.write(piece.data)
        except OSError:
            pass  # the client has left
        finally:
            for relay in list(self._relays.values()):
                relay.close()
            with contextlib.suppress(OSError):
                self._channels.finish()

    def _open(self, channel: int, port: int) -> None:
        for each in (channel, channel + 1):
            self._channels.send(each, struct.pack("<H", port))
        try:
            sock = self._connect(port)
        except (OSError, ProviderError) as error:
            self._channels.send(channel + 1, failure(port, self._pod, error).encode())
            return
        relay = Relay(sock, functools.partial(self._deliver, channel))
        self._relays[channel] = relay
        relay.start()

    def _deliver(self, channel: int, data: bytes) -> None:
        if data:
            self._channels.send(channel, data)
            return
        self._relays.pop(channel, None)
        if not self._relays:
            with contextlib.suppress(OSError):
                self._channels.finish()


@dataclass(slots=True)
class _Connection:
    """One forwarded connection: its two streams and, once there are both, its relay."""

    port: int
    error_stream: int
    data_stream: int = 0
    relay: Relay | None = None


class SpdyPortForward:
    """Carries bytes between the client's streams and the ports of one pod."""

    def __init__(self, connection: SpdyConnection, *, pod: str, connect: Connect) -> None:
        self._connection = connection
        self._pod = pod
        self._connect = connect
        self._by_request: dict[str, _Connection] = {}
        self._by_data_stream: dict[int, _Connection] = {}

    def run(self) -> None:
        """Carry bytes until the client leaves."""
        try:
            while (frame := self._connection.receive()) is not None:
                self._take(frame)
        except OSError:
            pass  # the client has left
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

    def _open(self, stream: int, headers: dict[str, str]) -> None:
        kind, port = headers.get("streamtype"), headers.get("port", "")
        # clients before Kubernetes 1.2 number no requests, but open their two streams one after the other
        request = headers.get("requestid") or str(stream if kind == "error" else stream - 2)
        is_port = port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536
        connection = self._by_request.get(request)
        if kind == "error" and is_port and connection is None and len(self._by_request) < STREAMS_LIMIT:
            self._by_request[request] = _Connection(int(port), error_stream=stream)
            self._connection.reply(stream)
        elif kind == "data" and connection is not None and not connection.data_stream:
            connection.data_stream = stream
            self._by_data_stream[stream] = connection
            self._connection.reply(stream)
            try:
                sock = self._connect(connection.port)
            except (OSError, ProviderError) as error:
                text = failure(connection.port, self._pod, error).encode()
                self._connection.data(connection.error_stream, text, ends=True)
                self._connection.data(connection.data_stream, b"", ends=True)
                self._forget(request, connection)
            else:
                connection.relay = Relay(sock, functools.partial(self._deliver, request, connection))
                connection.relay.start()
        else:
            self._connection.reset(stream)

    def _deliver(self, request: str, connection: _Connection, data: bytes) -> None:
        self._connection.data(connection.data_stream, data, ends=not data)
        if not data:
            self._connection.data(connection.error_stream, b"", ends=True)
            self._forget(request, connection)

    def _relay_of(self, stream: int) -> Relay | None:
        """Return a data stream's relay; None for an error stream, and for a connection that has ended."""
        connection = self._by_data_stream.get(stream)
        return connection.relay if connection is not None else None

    def _forget(self, request: str, connection: _Connection) -> None:
        self._by_data_stream.pop(connection.data_stream, None)
        self._by_request.pop(request, None)
