"""A front that behaves as API Gateway's REST API with Lambda proxy integration does.

API Gateway Developer Guide, "Lambda proxy integrations", "Important notes" and "Quotas". It serves the paths and
methods of the packaged template's API definition and nothing else.
"""

from __future__ import annotations

import base64
import json
import ssl
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.aws_box.execution_environment import FunctionError
from tests.aws_box.lambda_function import THROTTLED
from tests.aws_box.wire import LOOPBACK, Answer, HttpServer, Request

GATEWAY_BYTES = 10 * 1024 * 1024  # of a request or an answer
LINE_AND_HEADER_BYTES = 10_240  # "Total combined size of request line and header values"
LAMBDA_BYTES = 6 * 1024 * 1024  # of an invocation's event or result
# Not passed on to the function: they belong to one connection.
HOP_BY_HOP = ("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-authorization")
# Not passed on to the client under their own names.
REMAPPED = ("connection", "content-length", "date", "server", "www-authenticate", "authorization", "transfer-encoding")

# What the gateway answers by itself where the function did not; a throttled one counts as wrongly configured.
OWN_ERRORS = {"Sandbox.Timedout": (504, "Endpoint request timed out"), THROTTLED: (500, "Internal server error")}

Invoke = Callable[[Any], bytes]
Stream = Callable[[Any], Iterator[bytes]]
METADATA_END = bytes(8)
INTEGRATION = "x-amazon-apigateway-integration"


class Gateway:
    """One stage of one REST API in front of one function."""

    def __init__(
        self,
        definition: Mapping[str, Any],
        invoke: Invoke,
        *,
        stream: Stream | None = None,  # of the function behind the paths whose answers are streamed
        stage: str = "api",
        host: str = LOOPBACK,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._routes = [
            (_segments(path), path, {method.upper(): each[INTEGRATION] for method, each in methods.items()})
            for path, methods in definition["paths"].items()
        ]
        self._routes.sort(key=lambda route: [part.startswith("{") for part in route[0]])  # a literal part goes first
        self._stream = stream
        self._binary = set(definition.get("x-amazon-apigateway-binary-media-types") or ())
        self._invoke = invoke
        self._stage = stage
        self.requests: list[str] = []  # method and path, in order of arrival
        self.fail_next: list[Answer] = []  # answered in place of the function's, one each
        self._server = HttpServer(self._serve, host=host)
        self._tls_server = HttpServer(self._serve, host=host, tls=tls) if tls else None

    @property
    def url(self) -> str:
        """Return the stage's URL, without TLS: pods and Spark know no certificate of ours."""
        return f"{self._server.url}/{self._stage}"

    @property
    def tls_url(self) -> str:
        """Return the stage's URL with TLS: kubectl sends tokens to no other."""
        assert self._tls_server is not None
        return f"{self._tls_server.url}/{self._stage}"

    def close(self) -> None:
        """Stop serving."""
        self._server.close()
        if self._tls_server is not None:
            self._tls_server.close()

    def _serve(self, request: Request) -> Answer:
        path = urlsplit(request.target).path
        self.requests.append(f"{request.method} {path}")
        if self.fail_next:
            return self.fail_next.pop(0)
        match = self._match(request.method, path)
        if match is None:
            return _message(403, "Missing Authentication Token")
        line = f"{request.method} {request.target} HTTP/1.1"
        if len(line) + sum(len(value) for _, value in request.headers) > LINE_AND_HEADER_BYTES:
            return Answer(400, b"HTTP header is larger than 10240 bytes.", [("Content-Type", "text/plain")])
        if len(request.body) > GATEWAY_BYTES:
            return _message(413, "Request Too Long")
        event = self._event(request, path, *match)
        if len(json.dumps(event)) > LAMBDA_BYTES:
            return _message(413, "Request Too Long")
        integration = self._integration(match[0], request.method)
        if integration.get("responseTransferMode") == "STREAM":
            assert self._stream is not None
            return _streamed(self._stream(event))
        try:
            result = self._invoke(event)
        except FunctionError as error:
            return _message(*OWN_ERRORS.get(error.kind, (502, "Internal server error")))
        if len(result) > LAMBDA_BYTES:
            return _message(502, "Internal server error")
        return _response(json.loads(result), is_binary=self._is_binary(request.header("accept")))

    def _is_binary(self, header: str) -> bool:
        """Return whether the first type that a Content-Type or Accept names is one of binary bodies."""
        first = header.split(",")[0].split(";")[0].strip()
        return "*/*" in self._binary or first in self._binary

    def _match(self, method: str, path: str) -> tuple[str, dict[str, str]] | None:
        stage, *segments = _segments(path) or [""]
        if stage != self._stage:
            return None
        for pattern, resource, methods in self._routes:
            if pattern[-1:] == ["{proxy+}"]:  # the rest of a path, however long
                start = len(pattern) - 1
                parts = [*segments[:start], "/".join(segments[start:])] if len(segments) > start else segments
            else:
                parts = segments
            pairs = list(zip(pattern, parts, strict=False))
            is_match = all(name.startswith("{") or name == value for name, value in pairs)
            if is_match and len(pattern) == len(parts) and method in methods:
                return resource, {name.strip("{+}"): unquote(value) for name, value in pairs}
        return None

    def _integration(self, resource: str, method: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = next(methods[method] for _, path, methods in self._routes if path == resource)
        return found

    def _event(self, request: Request, path: str, resource: str, parameters: dict[str, str]) -> dict[str, Any]:
        headers: dict[str, list[str]] = {}
        for name, value in request.headers:
            if name.lower() not in HOP_BY_HOP:
                headers.setdefault(name, []).append(value)
        query: dict[str, list[str]] = {}
        for name, value in parse_qsl(urlsplit(request.target).query, keep_blank_values=True):
            query.setdefault(name, []).append(value)
        is_binary = bool(request.body) and self._is_binary(request.header("content-type"))
        body = base64.b64encode(request.body).decode() if is_binary else request.body.decode(errors="replace")
        return {
            "resource": resource,
            "path": path.removeprefix(f"/{self._stage}") or "/",
            "httpMethod": request.method,
            "headers": {name: values[-1] for name, values in headers.items()} or None,
            "multiValueHeaders": headers or None,
            "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
            "multiValueQueryStringParameters": query or None,
            "pathParameters": parameters or None,
            "stageVariables": None,
            "requestContext": self._context(request, path, resource),
            "body": body if request.body else None,
            "isBase64Encoded": is_binary,
        }

    def _context(self, request: Request, path: str, resource: str) -> dict[str, Any]:
        return {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "domainName": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "a1b2c3d4e5",
            "extendedRequestId": "JKJaXmPLvHcESHA=",
            "httpMethod": request.method,
            "identity": {"sourceIp": "192.0.2.1", "userAgent": request.header("user-agent")},
            "path": path,
            "protocol": "HTTP/1.1",
            "requestId": str(uuid.uuid4()),
            "requestTimeEpoch": int(time.time() * 1000),
            "resourceId": "123456",
            "resourcePath": resource,
            "stage": self._stage,
        }


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]


def _message(status: int, text: str) -> Answer:
    return Answer(status, json.dumps({"message": text}).encode(), [("Content-Type", "application/json")])


def _streamed(pieces: Iterator[bytes]) -> Answer:
    """Return the answer that a function streams: JSON that says how it begins, eight zeros, and the payload.

    What fails before the payload is an error of the gateway's own; later the answer is cut off.
    """
    head = b""
    try:
        while METADATA_END not in head:
            head += next(pieces)
        metadata, _, rest = head.partition(METADATA_END)
        begun = json.loads(metadata)
        answer = _response({**begun, "body": ""}, is_binary=False)
    except FunctionError as error:
        return _message(*OWN_ERRORS.get(error.kind, (502, "Internal server error")))
    except (StopIteration, ValueError):
        return _message(502, "Internal server error")
    return replace(answer, stream=_payload(rest, pieces))


def _payload(first: bytes, pieces: Iterator[bytes]) -> Generator[bytes]:
    if first:
        yield first
    yield from (piece for piece in pieces if piece)


def _response(result: Any, *, is_binary: bool) -> Answer:
    """Return the answer that a proxy result asks for, 502 for one that is none.

    Base64 is taken off where the API has the first type that the client accepts for binary, and only there.
    """
    if not isinstance(result, dict) or not isinstance(result.get("statusCode"), int):
        return _message(502, "Internal server error")
    headers = [(name, str(value)) for name, value in (result.get("headers") or {}).items()]
    for name, values in (result.get("multiValueHeaders") or {}).items():
        headers = [pair for pair in headers if pair[0].lower() != name.lower()]
        headers += [(name, str(value)) for value in values]
    headers = [(f"x-amzn-Remapped-{name}" if name.lower() in REMAPPED else name, value) for name, value in headers]
    text = result.get("body") or ""
    is_packed = is_binary and result.get("isBase64Encoded")
    body = base64.b64decode(text) if is_packed else str(text).encode()
    if len(body) > GATEWAY_BYTES:
        return _message(502, "Internal server error")
    return Answer(result["statusCode"], body, headers)
