"""A WebSocket, server side."""

from __future__ import annotations

import contextlib
import threading

import pytest

from sparkanywhere.streaming.websocket import MESSAGE_BYTES, WebSocket, accept_key, handshake
from tests.unit.sparkanywhere.streaming.conftest import Line
from tests.unit.sparkanywhere.streaming.ws_client import BytesMessage, CloseConnection, Ping, Pong, TextMessage


def test_the_key_is_answered_as_in_the_rfc() -> None:
    # RFC 6455 1.3 has this example.
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_the_handshake_names_the_protocol() -> None:
    lines = handshake("x", "v5.channel.k8s.io").decode().split("\r\n")

    assert lines[0] == "HTTP/1.1 101 Switching Protocols"
    assert {"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Protocol: v5.channel.k8s.io"} <= set(lines)


def test_messages_arrive_whole_and_in_order(line: Line) -> None:
    socket = WebSocket(line.wire)
    line.client.send(
        BytesMessage(data=b"one, ", message_finished=False), BytesMessage(data=b"two"), TextMessage(data="ä")
    )

    assert [socket.receive(), socket.receive()] == [b"one, two", "ä".encode()]


def test_a_ping_is_answered(line: Line) -> None:
    line.client.send(Ping(payload=b"still there?"), BytesMessage(data=b"x"))

    WebSocket(line.wire).receive()

    assert line.client.event() == Pong(payload=b"still there?")


def test_a_close_is_answered_and_ends_it(line: Line) -> None:
    socket = WebSocket(line.wire)
    line.client.send(CloseConnection(code=1000))

    assert socket.receive() is None
    event = line.client.event()
    assert isinstance(event, CloseConnection)
    assert event.code == 1000


def test_a_client_that_vanishes_ends_it(line: Line) -> None:
    line.client.sock.close()

    assert WebSocket(line.wire).receive() is None


@pytest.mark.parametrize("raw", [b"\xff\xff\xff\xff", b"\x82\x05hello"])
def test_what_breaks_the_protocol_ends_it(line: Line, raw: bytes) -> None:
    line.client.sock.sendall(raw)  # the second: a client's frame must be masked

    assert WebSocket(line.wire).receive() is None


def test_a_message_without_end_is_refused(line: Line) -> None:
    socket = WebSocket(line.wire)
    part = BytesMessage(data=b"x" * 100_000, message_finished=False)

    def send() -> None:
        with contextlib.suppress(OSError):  # the rest may come when the line is closed already
            line.client.send(*[part] * (MESSAGE_BYTES // 100_000 + 1))

    sender = threading.Thread(target=send)
    sender.start()

    assert socket.receive() is None

    event = line.client.event()
    assert isinstance(event, CloseConnection)
    assert event.code == 1009
    line.wire.close()
    sender.join()


def test_sending_after_the_end_is_an_error(line: Line) -> None:
    socket = WebSocket(line.wire)
    socket.close()

    with pytest.raises(BrokenPipeError):
        socket.send(b"x")
