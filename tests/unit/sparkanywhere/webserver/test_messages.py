"""The head of an answer."""

from __future__ import annotations

import h11
import pytest

from sparkanywhere.webserver.messages import Answer, BadRequest, RequestHead, answer_head, chunk, has_body, request_head


def head(answer: Answer, *, chunked: bool = True, close: bool = False) -> list[str]:
    """Return the lines of the answer's head."""
    return answer_head(answer, chunked=chunked, close=close, now=0.0).decode().split("\r\n")


def test_a_body_has_its_length() -> None:
    lines = head(Answer(status=201, headers=(("A", "b"),), body="é".encode()))

    assert lines == ["HTTP/1.1 201 Created", "A: b", "Date: Thu, 01 Jan 1970 00:00:00 GMT", "Content-Length: 2", "", ""]


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


def parse_raw(raw: bytes, *, header_count: int = 100) -> RequestHead:
    """Return the head of a request."""
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(raw)
    request = parser.next_event()
    assert isinstance(request, h11.Request)
    return request_head(request, header_count=header_count)


def parse(*lines: str, header_count: int = 100) -> RequestHead:
    """Return the head of these lines."""
    raw = "".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1")
    return parse_raw(raw, header_count=header_count)


def refusal(*lines: str) -> int:
    """Return the code that these lines are refused with."""
    with pytest.raises((BadRequest, h11.RemoteProtocolError)) as refused:
        parse(*lines, header_count=3)
    if isinstance(refused.value, BadRequest):
        return refused.value.code
    assert isinstance(refused.value, h11.RemoteProtocolError)
    return refused.value.error_status_hint


def test_a_plain_request_is_read() -> None:
    head = parse("GET /api/v1/pods?limit=1 HTTP/1.1", "Host: a:1", "ACCEPT:  x/y \t")

    assert (head.method, head.target, head.path) == ("GET", "/api/v1/pods?limit=1", "/api/v1/pods")
    assert head.headers == {"host": "a:1", "accept": "x/y"}


def test_repeated_headers_are_joined() -> None:
    assert parse("GET / HTTP/1.1", "Host: a", "A: 1", "a: 2").headers["a"] == "1, 2"


def test_bare_line_feeds_are_understood() -> None:
    assert parse_raw(b"GET / HTTP/1.1\nHost: a\n\n").headers == {"host": "a"}


@pytest.mark.parametrize(
    ("target", "path"),
    [("http://other:1/api?x", "/api?x"), ("HTTPS://other", "/"), ("http://other?x=1", "/?x=1"), ("//api", "//api")],
)
def test_a_target_in_a_proxys_form_is_its_path(target: str, path: str) -> None:
    assert parse(f"GET {target} HTTP/1.1", "Host: a").target == path


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["GET / HTTP/2.0", "Host: a"], 505),
        (["GET  / HTTP/1.1", "Host: a"], 400),
        (["GET / HTTP/1.1 x", "Host: a"], 400),
        (["G@T / HTTP/1.1", "Host: a"], 400),
        (["GET /\x00 HTTP/1.1", "Host: a"], 400),
        (["GET /\xff HTTP/1.1", "Host: a"], 400),
        (["GET api HTTP/1.1", "Host: a"], 400),
        (["GET / HTTP/1.1"], 400),
        (["GET / HTTP/1.1", "Host: a", "host: a"], 400),
        (["GET / HTTP/1.1", "Host: a", "A : b"], 400),
        (["GET / HTTP/1.1", "Host: a", " folded"], 400),
        (["GET / HTTP/1.1", " Host: a"], 400),
        (["GET / HTTP/1.1", "Host: a", "A: b\x00c"], 400),
        (["GET / HTTP/1.1", "Host: a", *["A: b"] * 3], 431),
    ],
)
def test_a_malformed_head_is_refused(lines: list[str], code: int) -> None:
    assert refusal(*lines) == code


@pytest.mark.parametrize(
    ("version", "connection", "closes"),
    [
        ("1.1", "", False),
        ("1.1", "Close", True),
        ("1.1", "keep-alive, close", True),
        ("1.0", "", True),
        ("1.0", "Keep-Alive", False),
    ],
)
def test_the_client_decides_how_long_a_connection_lasts(version: str, connection: str, closes: bool) -> None:
    assert parse(f"GET / HTTP/{version}", "Host: a", f"Connection: {connection}").wants_close is closes


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (["Content-Length: -1"], 400),
        (["Content-Length: +1"], 400),
        (["Content-Length: \xb2"], 400),
        (["Content-Length: 1", "Content-Length: 2"], 400),
        (["Content-Length: 1", "Transfer-Encoding: chunked"], 400),
        (["Transfer-Encoding: gzip, chunked"], 501),
    ],
)
def test_a_body_of_two_lengths_or_none_is_refused(headers: list[str], code: int) -> None:
    assert refusal("POST / HTTP/1.1", "Host: a", *headers) == code
