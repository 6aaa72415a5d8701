"""Reads that end in time."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from sparkanywhere.webserver.limits import DEFAULT_LIMITS, MIB, stack_bytes
from sparkanywhere.webserver.wire import Transport, Wire


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_deadline_bounds_all_reads_together(pair: tuple[socket.socket, socket.socket]) -> None:
    moments = iter([0.0, 0.0, 4.0, 6.0])
    wire = Wire(pair[0], DEFAULT_LIMITS, clock=lambda: next(moments))
    wire.allow(5.0)
    pair[1].send(b"a")

    first = wire.receive()
    pair[1].send(b"b")

    assert first == b"a"
    with pytest.raises(TimeoutError):
        wire.receive()  # though a byte is there


def test_silence_is_a_timeout(pair: tuple[socket.socket, socket.socket]) -> None:
    wire = Wire(pair[0], DEFAULT_LIMITS)
    wire.allow(0.01)

    with pytest.raises(TimeoutError):
        wire.receive()


def test_what_is_put_back_is_received_again(pair: tuple[socket.socket, socket.socket]) -> None:
    wire = Wire(pair[0], DEFAULT_LIMITS)
    wire.allow(1.0)
    pair[1].send(b"b")

    wire.unread(b"a")

    assert (wire.receive(), wire.receive()) == (b"a", b"b")


def test_who_does_not_read_is_not_waited_for(pair: tuple[socket.socket, socket.socket]) -> None:
    transport = Transport(pair[0])

    with pytest.raises(TimeoutError):
        transport.send(b"x" * 10_000_000, transport.clock() + 0.05)


@pytest.mark.parametrize(("version", "size"), [((3, 11), MIB), ((3, 12), 0), ((3, 13), 0), ((3, 14), MIB)])
def test_stacks_are_small_where_nested_calls_are_bounded(version: tuple[int, int], size: int) -> None:
    assert stack_bytes(version) == size
