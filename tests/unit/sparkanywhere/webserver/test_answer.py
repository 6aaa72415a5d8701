"""The head of an answer."""

from __future__ import annotations

import pytest

from sparkanywhere.webserver.answer import Answer, answer_head, chunk, has_body


def head(answer: Answer, *, chunked: bool = True, close: bool = False) -> list[str]:
    """Return the lines of the answer's head."""
    return answer_head(answer, chunked=chunked, close=close, now=0.0).decode().split("\r\n")


def test_a_body_has_its_length() -> None:
    lines = head(Answer(status=201, headers=(("A", "b"),), body="é".encode()))

    assert lines == [
        "HTTP/1.1 201 Created",
        "A: b",
        "Date: Thu, 01 Jan 1970 00:00:00 GMT",
        "Content-Length: 2",
        "",
        "",
    ]


def test_a_stream_is_chunked_and_has_no_length() -> None:
    lines = head(Answer(status=200, stream=iter([b"x"])))

    assert "Transfer-Encoding: chunked" in lines
    assert not any(line.startswith("Content-Length") for line in lines)


def test_headers_that_frame_the_answer_are_the_servers_own() -> None:
    answer = Answer(status=200, headers=(("content-length", "9"), ("Connection", "keep-alive")))

    lines = head(answer, close=True)

    assert "Content-Length: 0" in lines
    assert lines.count("Connection: close") == 1
    assert not {"content-length: 9", "Connection: keep-alive"} & set(lines)


def test_a_header_cannot_begin_another() -> None:
    lines = head(Answer(status=200, headers=(("Warning", "a\r\nSet-Cookie: b\nc"),)))

    assert lines[1] == "Warning: a Set-Cookie: b c"


def test_words_beyond_latin_1_are_sent_as_utf_8() -> None:
    assert "Warning: 警告".encode() in answer_head(
        Answer(status=200, headers=(("Warning", "警告"),)), chunked=False, close=False, now=0.0
    )


@pytest.mark.parametrize(
    ("status", "method", "expected"),
    [(200, "GET", True), (200, "HEAD", False), (204, "GET", False), (304, "GET", False)],
)
def test_some_answers_have_no_body(status: int, method: str, expected: bool) -> None:
    assert has_body(Answer(status=status), method) is expected


def test_a_chunk_says_its_size_in_hex() -> None:
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
