"""Bodies by length and in chunks."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkanywhere.webserver.answer import LAST_CHUNK, chunk
from sparkanywhere.webserver.body import BodyTooLarge, read_body
from sparkanywhere.webserver.head import BadRequest


@given(pieces=st.lists(st.binary(min_size=1, max_size=50)), rest=st.binary(max_size=20))
def test_chunks_are_joined_and_what_follows_is_left(pieces: list[bytes], rest: bytes) -> None:
    stream = io.BytesIO(b"".join(map(chunk, pieces)) + LAST_CHUNK + rest)

    assert read_body(stream, None, limit=10_000) == b"".join(pieces)
    assert stream.read() == rest


@given(raw=st.binary(max_size=100))
def test_any_bytes_are_a_body_or_refused(raw: bytes) -> None:
    try:
        body = read_body(io.BytesIO(raw), None, limit=50)
    except (BadRequest, BodyTooLarge):
        return

    assert len(body) <= 50


def test_a_body_by_length_leaves_what_follows() -> None:
    stream = io.BytesIO(b"bodynext")

    assert read_body(stream, 4, limit=4) == b"body"
    assert stream.read() == b"next"


def test_a_body_that_ends_early_is_refused() -> None:
    with pytest.raises(BadRequest):
        read_body(io.BytesIO(b"bo"), 4, limit=10)


@pytest.mark.parametrize("length", [5, None])
def test_a_body_over_the_limit_is_not_read(length: int | None) -> None:
    stream = io.BytesIO(b"" if length else b"5\r\n")  # nothing of the body has come

    with pytest.raises(BodyTooLarge):
        read_body(stream, length, limit=4)


def test_many_small_chunks_do_not_pass_the_limit_either() -> None:
    with pytest.raises(BodyTooLarge):
        read_body(io.BytesIO(b"3\r\nabc\r\n" * 2), None, limit=4)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"g\r\n",
        b"-1\r\n",
        b"0x2\r\nab\r\n0\r\n\r\n",
        b"2\r\nabX\r\n0\r\n\r\n",
        b"1" * 2000,
        b"0\r\nA: b\r\n",
    ],
)
def test_broken_chunks_are_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        read_body(io.BytesIO(raw), None, limit=100)


def test_endless_trailers_are_refused() -> None:
    with pytest.raises(BadRequest) as refused:
        read_body(io.BytesIO(b"0\r\n" + b"A: b\r\n" * 10_000), None, limit=100)

    assert refused.value.code == 431
