"""The runtime that streams, against a Runtime API that notes what it is sent."""

from __future__ import annotations

import json
import queue
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import pytest

from chalicelib.plane.stream_runtime import INVOCATION, METADATA_END, serve
from tests.aws_box.wire import Answer, HttpServer, Request

SECONDS = 10.0


@dataclass
class RuntimeApi:
    """Has invocations with the events that it is given; keeps each answer's pieces as they come."""

    events: list[Any]
    pieces: queue.Queue[bytes] = field(default_factory=queue.Queue)
    requests: list[Request] = field(default_factory=list)

    def __call__(self, request: Request) -> Answer:
        if request.target == f"{INVOCATION}/next":
            return Answer(200, json.dumps(self.events.pop(0)).encode(), [("Lambda-Runtime-Aws-Request-Id", "one")])
        for piece in request.pieces or ():
            self.pieces.put(piece)
        self.requests.append(request)
        return Answer(202)


@pytest.fixture
def runtime() -> Iterator[RuntimeApi]:
    api = RuntimeApi([{"n": n} for n in range(3)])
    server = HttpServer(api)
    api.address = f"{server.host}:{server.port}"  # type: ignore[attr-defined]
    yield api
    server.close()


def run(runtime: RuntimeApi, handler: Any, invocations: int = 1) -> None:  # Any: of whatever a test returns
    serve(handler, runtime.address, invocations=invocations)  # type: ignore[attr-defined]


def test_a_stream_leaves_piece_by_piece_behind_its_metadata(runtime: RuntimeApi) -> None:
    seen: list[bytes] = []

    def pieces() -> Iterator[bytes]:
        for n in range(3):
            yield b""  # is none: the answer goes on
            yield f"{n}\n".encode()
            seen.append(runtime.pieces.get(timeout=SECONDS))  # it has left before the next is made

    run(runtime, lambda *_: {"statusCode": 200, "headers": {"a": "b"}, "body": "", "x-stream": pieces()})

    metadata = json.dumps({"statusCode": 200, "headers": {"a": "b"}}).encode() + METADATA_END
    assert seen == [metadata, b"0\n", b"1\n"]
    assert runtime.pieces.get(timeout=SECONDS) == b"2\n"
    [request] = runtime.requests
    assert request.target == f"{INVOCATION}/one/response"
    assert request.header("lambda-runtime-function-response-mode") == "streaming"
    assert request.header("content-type") == "application/vnd.awslambda.http-integration-response"


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        ({"statusCode": 404, "body": "no"}, b"no"),
        ({"statusCode": 200, "body": "AAE=", "isBase64Encoded": True}, b"\x00\x01"),
        ({"statusCode": 204}, b""),
    ],
)
def test_an_answer_that_is_no_stream_is_sent_whole(runtime: RuntimeApi, answer: dict[str, Any], sent: bytes) -> None:
    run(runtime, lambda *_: answer)

    whole = b"".join(runtime.pieces.queue)
    assert whole == json.dumps({"statusCode": answer["statusCode"]}).encode() + METADATA_END + sent


def test_a_stream_that_cannot_be_closed_is_sent_to_its_end(runtime: RuntimeApi) -> None:
    run(runtime, lambda *_: {"statusCode": 200, "x-stream": chain([b"a"], [b"b"])})

    [request] = runtime.requests  # noted once its last chunk was read
    assert request.target == f"{INVOCATION}/one/response"
    assert list(runtime.pieces.queue)[1:] == [b"a", b"b"]


def test_a_handler_that_fails_fails_its_invocation_alone(runtime: RuntimeApi) -> None:
    def handler(event: Any, _context: Any) -> Any:
        if event["n"] == 0:
            raise ValueError("no")
        return {"statusCode": 200, "body": str(event["n"])}

    run(runtime, handler, invocations=2)

    failed, answered = runtime.requests
    assert failed.target == f"{INVOCATION}/one/error"
    assert json.loads(failed.body) == {"errorType": "ValueError", "errorMessage": "no"}
    assert answered.target == f"{INVOCATION}/one/response"


def test_a_stream_that_breaks_is_cut_off_closed_and_the_next_is_answered(runtime: RuntimeApi) -> None:
    closed = []

    def breaks() -> Iterator[bytes]:
        try:
            yield b"begun"
            raise ValueError("broken")
        finally:
            closed.append(True)

    def handler(event: Any, _context: Any) -> Any:
        return {"statusCode": 200, "x-stream": breaks()} if event["n"] == 0 else {"statusCode": 200, "body": "next"}

    run(runtime, handler, invocations=2)

    assert closed == [True]
    assert [each.target for each in runtime.requests] == [f"{INVOCATION}/one/response"]  # the first has no end
    assert runtime.pieces.queue[-1] == b"next"
