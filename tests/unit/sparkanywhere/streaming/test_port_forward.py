"""Ports over a WebSocket, as channels and as SPDY streams, to servers made for the test."""

from __future__ import annotations

import base64
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from sparkanywhere.streaming.channels import WebSocketChannels
from sparkanywhere.streaming.port_forward import PortForward, SpdyPortForward
from sparkanywhere.streaming.spdy import Data, Decoder, Frame, Pinged, Reset
from sparkanywhere.streaming.spdy_connection import SpdyConnection
from sparkanywhere.streaming.websocket import WebSocket
from tests.unit.sparkanywhere.streaming.conftest import Line
from tests.unit.sparkanywhere.streaming.spdy_client import SpdyClient

SECONDS = 20.0


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that answers each connection in capitals, once the peer says no more."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with sock, sock.makefile("rb") as file:
                sock.sendall(file.read().upper())

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(timeout=SECONDS)


def connect(port: int) -> socket.socket:
    """Connect to this machine."""
    return socket.create_connection(("127.0.0.1", port), timeout=SECONDS)


@pytest.fixture
def start(line: Line) -> Iterator[Callable[[Callable[[], None]], None]]:
    """A function that runs a forward in a thread; all is over in the end."""
    threads = []

    def begin(run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run)
        thread.start()
        threads.append(thread)

    yield begin
    line.client.sock.close()
    for thread in threads:
        thread.join(timeout=SECONDS)
        assert not thread.is_alive()


Start = Callable[[Callable[[], None]], None]


def channels(line: Line, protocol: str = "") -> WebSocketChannels:
    """Return the server's side of channels."""
    return WebSocketChannels(WebSocket(line.wire), protocol)


def test_channels_begin_with_their_port_and_a_bad_one_says_why(echo: int, line: Line, start: Start) -> None:
    def refuse_one(port: int) -> socket.socket:
        if port == 1:
            raise ConnectionRefusedError("nobody listens")
        return connect(port)

    start(PortForward(channels(line), [echo, 1], pod="p", connect=refuse_one).run)

    heard = [line.client.hear() for _ in range(5)]

    assert heard[:4] == [struct.pack("<BH", channel, port) for channel, port in enumerate((echo, echo, 1, 1))]
    assert heard[4] == b"\x03error forwarding port 1 to pod p: nobody listens"


def test_channels_carry_bytes_both_ways(line: Line, start: Start) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    start(PortForward(channels(line), [port], pod="p", connect=connect).run)
    server, _ = listener.accept()
    assert [line.client.hear() for _ in range(2)] == [struct.pack("<BH", channel, port) for channel in (0, 1)]

    line.client.say(b"\x00to the pod")
    line.client.say(b"\x09nowhere")
    server.sendall(b"from the pod")

    assert server.recv(100) == b"to the pod"
    assert line.client.hear() == b"\x00from the pod"
    server.close()
    listener.close()
    assert line.client.hear() is None


def test_channels_of_base64_carry_any_bytes(line: Line, start: Start) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    start(PortForward(channels(line, "v4.base64.channel.k8s.io"), [port], pod="p", connect=connect).run)
    server, _ = listener.accept()
    number = base64.b64encode(struct.pack("<H", port))
    assert [line.client.hear() for _ in range(2)] == [b"0" + number, b"1" + number]

    line.client.say(b"0no base64")
    line.client.say(b"0" + base64.encodebytes(b"\xff to the pod \x00"))
    server.sendall(b"\xff from the pod \x00")

    assert server.recv(100) == b"\xff to the pod \x00"
    assert line.client.hear() == b"0" + base64.b64encode(b"\xff from the pod \x00")
    server.close()
    listener.close()


def test_the_oldest_clients_number_no_requests(echo: int, line: Line, start: Start) -> None:
    start(SpdyPortForward(SpdyConnection(WebSocket(line.wire)), pod="p", connect=connect).run)
    spdy = Spdy(line)
    for stream, kind in ((5, "error"), (7, "data")):
        spdy.say(spdy.client.open(stream, {"streamtype": kind, "port": str(echo)}))
    spdy.say(spdy.client.data(7, b"hello", ends=True))

    assert spdy.hear() == Data(7, b"HELLO", False)


class Spdy:
    """A SPDY client on the line."""

    def __init__(self, line: Line) -> None:
        self.client = SpdyClient()
        self._line = line
        self._decoder = Decoder()
        self._frames: list[Frame] = []

    def open(self, request: int, port: int) -> int:
        """Open the two streams of a connection; return the data stream."""
        error, data = 4 * request + 1, 4 * request + 3
        for stream, kind in ((error, "error"), (data, "data")):
            self.say(self.client.open(stream, {"streamtype": kind, "port": str(port), "requestid": str(request)}))
        return data

    def say(self, raw: bytes) -> None:
        """Send frames."""
        self._line.client.say(raw)

    def hear(self) -> Frame:
        """Return the next frame that means something to us."""
        while not self._frames:
            message = self._line.client.hear()
            assert message is not None
            self._frames += self._decoder.feed(message)
        return self._frames.pop(0)


@pytest.fixture
def spdy(line: Line, start: Start) -> Spdy:
    """A client of a forward that connects to this machine."""
    start(SpdyPortForward(SpdyConnection(WebSocket(line.wire)), pod="p", connect=connect).run)
    return Spdy(line)


def test_a_stream_carries_bytes_both_ways_and_ends_both_ways(echo: int, spdy: Spdy) -> None:
    stream = spdy.open(0, echo)
    spdy.say(spdy.client.data(stream, b"hello"))
    spdy.say(spdy.client.data(stream, b"", ends=True))

    frames = [spdy.hear() for _ in range(3)]

    assert frames == [Data(stream, b"HELLO", False), Data(stream, b"", True), Data(1, b"", True)]


def test_connections_side_by_side_do_not_mix(echo: int, spdy: Spdy) -> None:
    streams = [spdy.open(request, echo) for request in range(5)]
    for stream in streams:
        spdy.say(spdy.client.data(stream, b"s%d" % stream, ends=True))

    said: dict[int, bytes] = {}
    while len(said) < len(streams):
        frame = spdy.hear()
        if isinstance(frame, Data) and frame.data:
            said[frame.stream] = frame.data

    assert said == {stream: b"S%d" % stream for stream in streams}


def test_a_port_where_nobody_listens_is_told_on_the_error_stream(spdy: Spdy) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        stream = spdy.open(0, port)

        first, second = spdy.hear(), spdy.hear()

    assert isinstance(first, Data)
    assert (first.stream, first.ends) == (1, True)
    assert first.data.startswith(b"error forwarding port %d to pod p:" % port)
    assert second == Data(stream, b"", True)


def test_pings_are_answered(spdy: Spdy) -> None:
    spdy.say(spdy.client.ping(5))

    assert spdy.hear() == Pinged(5)


@pytest.mark.parametrize(
    "headers",
    [
        {"streamtype": "error", "port": "0", "requestid": "1"},
        {"streamtype": "error", "port": "http", "requestid": "1"},
        {"streamtype": "error", "port": "9" * 5000, "requestid": "1"},
        {"streamtype": "data", "port": "80", "requestid": "1"},
        {"streamtype": "other", "port": "80", "requestid": "1"},
        {},
    ],
)
def test_streams_that_make_no_sense_are_refused(spdy: Spdy, headers: dict[str, str]) -> None:
    spdy.say(spdy.client.open(1, headers))

    assert spdy.hear() == Reset(1)


def test_a_reset_ends_the_connection_to_the_pod(line: Line, start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        start(SpdyPortForward(SpdyConnection(WebSocket(line.wire)), pod="p", connect=connect).run)
        spdy = Spdy(line)
        stream = spdy.open(0, listener.getsockname()[1])
        server, _ = listener.accept()

        spdy.say(spdy.client.reset(stream))

        server.settimeout(SECONDS)
        with server:
            assert server.recv(1) == b""


def test_a_client_that_leaves_ends_its_connections(line: Line, start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        start(SpdyPortForward(SpdyConnection(WebSocket(line.wire)), pod="p", connect=connect).run)
        Spdy(line).open(0, listener.getsockname()[1])
        server, _ = listener.accept()

        line.client.sock.close()

        server.settimeout(SECONDS)
        with server:
            assert server.recv(1) == b""
