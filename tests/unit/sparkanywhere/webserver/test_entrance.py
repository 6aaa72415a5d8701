"""What comes before a connection's first request."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from sparkanywhere.webserver.entrance import announced_client, begins_tls


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0.2)
        yield ours, theirs


def test_a_proxy_names_the_client_and_nothing_of_the_request_is_lost(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.sendall(b"PROXY TCP4 10.0.0.9 10.0.0.1 51000 8001\r\nGET /")

    assert announced_client(ours) == ("10.0.0.9", 51000)
    assert ours.recv(9) == b"GET /"


@pytest.mark.parametrize(
    "words",
    [
        b"GET / HTTP/1.1\r\n",
        b"PROXY UNKNOWN\r\n",
        b"PROXY TCP4 10.0.0.9 10.0.0.1 x 8001\r\n",
        b"PROXY TCP4 " + b"1" * 200,
        b"PROXY TCP4 10.0",
    ],
)
def test_who_is_no_proxy_is_not_served(ends: tuple[socket.socket, socket.socket], words: bytes) -> None:
    ours, theirs = ends
    theirs.sendall(words)

    with pytest.raises(OSError, match=r"a proxy|timed out"):
        announced_client(ours)


@pytest.mark.parametrize(("first", "expected"), [(b"\x16\x03\x01", True), (b"GET", False), (b"", False)])
def test_tls_is_known_by_its_first_byte_which_stays(
    ends: tuple[socket.socket, socket.socket], first: bytes, expected: bool
) -> None:
    ours, theirs = ends
    theirs.sendall(first)

    assert begins_tls(ours) is expected
    if first:
        assert ours.recv(9) == first
