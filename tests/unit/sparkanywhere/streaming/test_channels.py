"""The streams of exec and attach over SPDY, as kubectl up to 1.29 opens them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from sparkanywhere.streaming.channels import EARLY_FRAMES, ERROR, RESIZE, STDERR, STDIN, STDOUT, Piece, SpdyChannels
from sparkanywhere.streaming.spdy import Data, Decoder, Frame, Pinged, Reset
from sparkanywhere.streaming.spdy_connection import BareCarrier, SpdyConnection
from tests.unit.sparkanywhere.streaming.conftest import Line
from tests.unit.sparkanywhere.streaming.spdy_client import SpdyClient

ALL = (ERROR, STDIN, STDOUT, STDERR, RESIZE)
STREAMS = {"error": 1, "stdin": 3, "stdout": 5, "stderr": 7, "resize": 9}


class Client:
    """A client on the line, and the server's side of its channels."""

    def __init__(self, line: Line, wanted: Sequence[int] = ALL) -> None:
        self.channels = SpdyChannels(SpdyConnection(BareCarrier(line.wire)), wanted)
        self.frames = SpdyClient()
        self.sock = line.client.sock
        self._decoder = Decoder()
        self._heard: list[Frame] = []

    def open(self, *names: str) -> None:
        """Open streams in this order."""
        for name in names:
            self.sock.sendall(self.frames.open(STREAMS.get(name, 99), {"streamtype": name}))

    def hear(self) -> Frame:
        """Return the server's next frame that means something to us."""
        while not self._heard:
            self._heard += self._decoder.feed(self.sock.recv(65536))
        return self._heard.pop(0)


@pytest.fixture
def client(line: Line) -> Client:
    """A client that has opened all streams, the last one first."""
    one = Client(line)
    one.open("resize", "stderr", "stdout", "stdin", "error")
    assert one.channels.open()
    return one


def test_input_its_end_and_the_size_come_on_their_channels(client: Client) -> None:
    client.sock.sendall(
        client.frames.data(3, b"in")
        + client.frames.data(9, b'{"Width":80,"Height":24}')
        + client.frames.data(99, b"on no stream")
        + client.frames.data(3, b"last", ends=True)
    )

    said = [client.channels.receive() for _ in range(3)]

    assert said == [Piece(STDIN, b"in"), Piece(RESIZE, b'{"Width":80,"Height":24}'), Piece(STDIN, b"last", ends=True)]


def test_a_stream_that_is_reset_has_ended(client: Client) -> None:
    client.sock.sendall(client.frames.reset(3))

    assert client.channels.receive() == Piece(STDIN, b"", ends=True)


def test_outputs_go_to_their_streams_and_all_ends(client: Client) -> None:
    client.channels.send(STDOUT, b"out")
    client.channels.send(STDERR, b"err")
    client.channels.finish()

    said = [client.hear() for _ in range(7)]

    assert said[:2] == [Data(5, b"out", False), Data(7, b"err", False)]
    assert sorted(said[2:], key=lambda frame: getattr(frame, "stream", 0)) == [
        Data(1, b"", True), Reset(3), Data(5, b"", True), Data(7, b"", True), Reset(9),
    ]  # fmt: skip


def test_pings_are_answered_and_the_end_is_noticed(client: Client) -> None:
    client.sock.sendall(client.frames.ping(7))
    thread = threading.Thread(target=client.channels.receive)
    thread.start()

    assert client.hear() == Pinged(7)
    client.sock.close()
    thread.join(timeout=20)
    assert not thread.is_alive()


def test_streams_that_were_not_asked_for_are_accepted_and_mean_nothing(line: Line) -> None:
    client = Client(line, wanted=(ERROR, STDOUT))
    client.open("sdtin", "stdout", "error")

    assert client.channels.open()
    client.channels.send(STDERR, b"nobody asked")
    client.channels.send(STDOUT, b"out")
    assert client.hear() == Data(5, b"out", False)


def test_what_comes_before_all_streams_are_open_is_not_lost(line: Line) -> None:
    client = Client(line, wanted=(ERROR, STDIN))
    client.open("stdin")
    client.sock.sendall(client.frames.data(3, b"early", ends=True))
    client.open("error")

    assert client.channels.open()
    assert client.channels.receive() == Piece(STDIN, b"early", ends=True)


def test_a_stream_may_be_opened_and_ended_at_once(line: Line) -> None:
    client = Client(line, wanted=(STDIN,))
    client.sock.sendall(client.frames.open(3, {"streamtype": "stdin"}, ends=True))

    assert client.channels.open()
    assert client.channels.receive() == Piece(STDIN, b"", ends=True)


def test_a_client_that_leaves_too_early_has_no_streams(line: Line) -> None:
    client = Client(line)
    client.open("error")
    client.sock.close()

    assert not client.channels.open()


def test_a_client_that_says_too_much_before_its_streams_is_left(line: Line) -> None:
    client = Client(line, wanted=(ERROR, STDIN))
    client.open("stdin")
    client.sock.sendall(client.frames.data(3, b"much") * (EARLY_FRAMES + 1))

    assert not client.channels.open()


def test_what_is_no_spdy_ends_the_connection(line: Line) -> None:
    client = Client(line)
    client.sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
    client.sock.sendall(bytes([0x80, 0x02]) + bytes(6))

    assert not client.channels.open()
