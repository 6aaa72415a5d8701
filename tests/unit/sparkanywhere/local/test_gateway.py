"""A Lambda proxy response as the web server's answer."""

from __future__ import annotations

import json
from unittest.mock import Mock

import pytest
from chalice.local import LocalGateway

from sparkanywhere.local.gateway import Gateway, is_quick_read, refuse, to_answer
from sparkanywhere.local.pod_pages import SANDBOX
from sparkanywhere.webserver.messages import Answer, Request, RequestHead

HEAD = RequestHead("GET", "/", 1, {})


def test_single_and_multiple_headers_are_kept() -> None:
    response = {"statusCode": 200, "headers": {"A": "b"}, "multiValueHeaders": {"Warning": ["one", "two"]}, "body": "é"}

    answer = to_answer(response, HEAD)

    assert answer.headers == (("A", "b"), ("Warning", "one"), ("Warning", "two"))
    assert answer.body == "é".encode()


@pytest.mark.parametrize(
    ("response", "body"),
    [({"body": None}, b""), ({"body": b"\xff"}, b"\xff"), ({"body": "/w==", "isBase64Encoded": True}, b"\xff")],
)
def test_bodies_come_as_text_bytes_or_base64(response: dict[str, object], body: bytes) -> None:
    assert to_answer({"statusCode": 200, **response}, HEAD).body == body


def test_a_stream_is_handed_on() -> None:
    pieces = iter([b"x"])

    assert to_answer({"statusCode": 200, "body": "", "x-stream": pieces}, HEAD).stream is pieces


@pytest.mark.parametrize("code", [400, 403, 408, 413, 431, 500, 501, 505])
def test_refusals_are_statuses(code: int) -> None:
    answer = refuse(code, "why")

    status = json.loads(answer.body)
    assert answer.status == status["code"] == code
    assert (status["kind"], status["status"]) == ("Status", "Failure")
    assert status["reason"]


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("GET", "/api/v1/pods", True),
        ("HEAD", "/api/v1/pods", True),
        ("POST", "/api/v1/pods", False),
        ("GET", "/api/v1/pods?watch=true", False),
        ("GET", "/api/v1/namespaces/a/pods/b/log?follow=true", False),
        ("GET", "/api/v1/namespaces/watch=/pods", True),
    ],
)
def test_only_reads_that_do_not_wait_take_turns(method: str, target: str, expected: bool) -> None:
    assert is_quick_read(RequestHead(method, target, 1, {})) is expected


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("rest", ["", "/", "/jobs/", "?a=1"])
def test_whatever_a_pod_serves_on_this_origin_is_in_a_sandbox(method: str, rest: str) -> None:
    local = Mock(spec=LocalGateway)
    local.handle_request.return_value = {"statusCode": 200, "body": "<script>"}
    gateway = Gateway(local, kubeconfig=lambda *_: {})

    def asked(target: str) -> Answer:
        return gateway(Request(RequestHead(method, target, 1, {"host": "127.0.0.1:1"}), b"", ("127.0.0.1", 1)))

    assert SANDBOX in asked(f"/api/v1/namespaces/default/pods/job:4040/proxy{rest}").headers
    assert SANDBOX in asked(f"/api/v1/namespaces/default/pods/job:4040/prox%79{rest}").headers
    assert SANDBOX not in asked("/api/v1/namespaces/default/pods/proxy").headers
