"""Reads that end in time."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator

import pytest

from sparkanywhere.webserver.limits import MIB, stack_bytes
from sparkanywhere.webserver.transport import DeadlineReader, Transport, read_head


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_deadline_bounds_all_reads_together(pair: tuple[socket.socket, socket.socket]) -> None:
    moments = iter([0.0, 0.0, 4.0, 6.0])
    reader = DeadlineReader(Transport(pair[0], clock=lambda: next(moments)))
    reader.allow(5.0)
    pair[1].send(b"ab")

    first = reader.read(1)

    assert first == b"a"
    with pytest.raises(TimeoutError):
        reader.read(1)  # though a byte is there


def test_silence_is_a_timeout(pair: tuple[socket.socket, socket.socket]) -> None:
    reader = DeadlineReader(Transport(pair[0]))
    reader.allow(0.01)

    with pytest.raises(TimeoutError):
        reader.read(1)


def test_who_does_not_read_is_not_waited_for(pair: tuple[socket.socket, socket.socket]) -> None:
    transport = Transport(pair[0])

    with pytest.raises(TimeoutError):
        transport.send(b"x" * 10_000_000, transport.clock() + 0.05)


@pytest.mark.parametrize(
    ("raw", "head", "rest"),
    [
        (b"GET\r\nA: b\r\n\r\nrest", b"GET\r\nA: b\r\n", b"rest"),
        (b"\r\n\nGET\r\n\r\n", b"GET\r\n", b""),
        (b"", None, b""),
        (b"GET\r\nA", None, b""),
    ],
)
def test_a_head_ends_with_an_empty_line(raw: bytes, head: bytes | None, rest: bytes) -> None:
    stream = io.BytesIO(raw)

    assert read_head(stream, 100) == head
    assert stream.read() == rest


@pytest.mark.parametrize("raw", [b"x" * 50, b"a: b\r\n" * 10, b"\r\n" * 50])
def test_a_head_over_the_limit_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="longer than"):
        read_head(io.BytesIO(raw), 40)


@pytest.mark.parametrize(("version", "size"), [((3, 11), MIB), ((3, 12), 0), ((3, 13), 0), ((3, 14), MIB)])
def test_stacks_are_small_where_nested_calls_are_bounded(version: tuple[int, int], size: int) -> None:
    assert stack_bytes(version) == size
