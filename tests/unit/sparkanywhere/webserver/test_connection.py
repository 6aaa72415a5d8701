"""Bodies by length and in chunks, as a connection takes them in."""

from __future__ import annotations

import re
import socket
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkanywhere.webserver.connection import Connection
from sparkanywhere.webserver.limits import DEFAULT_LIMITS
from sparkanywhere.webserver.messages import LAST_CHUNK, Answer, Application, Request, chunk
from sparkanywhere.webserver.shares import Shares
from sparkanywhere.webserver.wire import Wire

CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
BY_LENGTH = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
OK, BAD, TOO_LARGE, TOO_MANY = 200, 400, 413, 431


def serve(raw: bytes, *, limit: int = 10_000, head: int = 2_000) -> tuple[list[bytes], list[int]]:
    """Return the bodies of the requests in `raw`, and the codes that a client gets which then says no more."""
    bodies: list[bytes] = []

    def handler(request: Request) -> Answer:
        bodies.append(request.body)
        return Answer(status=OK)

    limits = replace(DEFAULT_LIMITS, body_bytes=limit, head_bytes=head)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(raw)
        theirs.shutdown(socket.SHUT_WR)
        Connection(
            Wire(ours, limits),
            client=("127.0.0.1", 1),
            application=Application(handler=handler, refuse=lambda code, _: Answer(status=code)),
            limits=limits,
            transfer=Shares(limits.transfer_bytes, each=limits.transfer_bytes),
        ).serve()
        answers = b"".join(iter(lambda: theirs.recv(65536), b""))
    return bodies, [int(code) for code in re.findall(rb"HTTP/1.1 (\d+)", answers)]


@given(pieces=st.lists(st.binary(min_size=1, max_size=50)))
def test_chunks_are_joined_and_what_follows_is_the_next_request(pieces: list[bytes]) -> None:
    raw = CHUNKED + b"".join(map(chunk, pieces)) + LAST_CHUNK + GET

    assert serve(raw) == ([b"".join(pieces), b""], [OK, OK])


@given(raw=st.binary(max_size=100))
def test_any_bytes_are_a_body_or_refused(raw: bytes) -> None:
    bodies, codes = serve(CHUNKED + raw, limit=50)

    assert codes
    assert all(len(body) <= 50 for body in bodies)


def test_a_body_by_length_leaves_what_follows() -> None:
    assert serve(BY_LENGTH % 4 + b"body" + GET, limit=4) == ([b"body", b""], [OK, OK])


def test_a_body_that_ends_early_is_refused() -> None:
    assert serve(BY_LENGTH % 4 + b"bo") == ([], [BAD])


@pytest.mark.parametrize("raw", [BY_LENGTH % 5, CHUNKED + chunk(b"abcde"), CHUNKED + chunk(b"abc") * 2])
def test_a_body_over_the_limit_is_refused(raw: bytes) -> None:
    assert serve(raw, limit=4) == ([], [TOO_LARGE])


@pytest.mark.parametrize(
    "raw",
    [b"", b"g\r\n", b"-1\r\n", b"0x2\r\nab\r\n0\r\n\r\n", b"2\r\nabX\r\n0\r\n\r\n", b"1" * 1000, b"0\r\nA: b\r\n"],
)
def test_broken_chunks_are_refused(raw: bytes) -> None:
    assert serve(CHUNKED + raw, limit=100) == ([], [BAD])


def test_a_length_of_endless_digits_is_refused() -> None:
    assert serve(GET.removesuffix(b"\r\n") + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n", head=9_000) == (
        [],
        [BAD],
    )


def test_endless_trailers_are_refused() -> None:
    assert serve(CHUNKED + b"0\r\n" + b"A: b\r\n" * 10_000) == ([], [TOO_MANY])


@pytest.mark.parametrize("extra", [-1, 0, 1, 5_000, 20_000])
@pytest.mark.parametrize("before", [b"", GET], ids=["first", "second"])
@pytest.mark.parametrize("body", [b"", b"b" * 9_000], ids=["GET", "POST"])
def test_headers_are_bounded_to_the_byte(extra: int, before: bytes, body: bytes) -> None:
    """Whatever the pieces are that they come in, and whatever follows with the last."""
    limit = 66_000
    start = BY_LENGTH[:-2] % len(body) + b"X: "
    raw = start + b"x" * (limit + extra - len(start) - 4) + b"\r\n\r\n"
    assert len(raw) == limit + extra

    assert serve(before + raw + body, head=limit)[1] == [OK] * bool(before) + [TOO_MANY if extra > 0 else OK]
