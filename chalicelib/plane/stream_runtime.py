"""Lambda's runtime for functions whose answers are streamed: the loop that the managed runtime of Python does not have.

The function's AWS_LAMBDA_EXEC_WRAPPER names stream_runtime.sh, which starts this in place of that runtime's own client.
It asks for invocations, gives them to the function's handler one after the other, and sends what the handler returns: a
proxy response, whose body may be an iterator of bytes under STREAM_KEY.

AWS Lambda Developer Guide, 2026: "Using the Lambda runtime API", "Building a custom runtime" (Response streaming in
custom runtimes), "Modifying the runtime environment" (Wrapper scripts). The answer's format: API Gateway Developer
Guide, "Set up a Lambda proxy integration with payload response streaming".
"""

from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Callable, Generator
from contextlib import closing
from http.client import HTTPConnection
from importlib import import_module
from typing import Any

from chalicelib.endpoints.http.responses import STREAM_KEY

LOG = logging.getLogger(__name__)
INVOCATION = "/2018-06-01/runtime/invocation"
METADATA_END = bytes(8)
TYPE = "application/vnd.awslambda.http-integration-response"

Handler = Callable[[Any, Any], dict[str, Any]]  # of an event and a context, which is None, to a proxy response


def serve(handler: Handler, runtime_api: str, *, invocations: int | None = None) -> None:
    """Answer so many invocations, None for all that ever come. `runtime_api` is a host and a port.

    Raises OSError and HTTPException when that cannot be reached; what a handler raises fails its invocation alone.
    """
    while invocations is None or invocations > 0:
        invocations = invocations if invocations is None else invocations - 1
        with closing(HTTPConnection(runtime_api)) as connection:
            connection.request("GET", f"{INVOCATION}/next")
            response = connection.getresponse()
            request_id = response.headers["Lambda-Runtime-Aws-Request-Id"]
            event = json.loads(response.read())
        with closing(HTTPConnection(runtime_api)) as connection:
            try:
                answer = handler(event, None)
            except Exception as error:
                LOG.exception("the handler failed")
                told = json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)})
                connection.request("POST", f"{INVOCATION}/{request_id}/error", told)
                connection.getresponse().read()
                continue
            try:
                _send(connection, request_id, answer)
            except Exception:  # whoever reads the answer sees that it is cut off
                LOG.exception("an answer was not sent to its end")


def _send(connection: HTTPConnection, request_id: str, answer: dict[str, Any]) -> None:
    headers = {
        "Content-Type": TYPE,
        "Lambda-Runtime-Function-Response-Mode": "streaming",
        "Transfer-Encoding": "chunked",
    }
    with closing(_pieces(answer)) as pieces:
        connection.request("POST", f"{INVOCATION}/{request_id}/response", pieces, headers, encode_chunked=True)
    connection.getresponse().read()


def _pieces(answer: dict[str, Any]) -> Generator[bytes]:
    """Yield the metadata of a proxy response, and its body as that comes."""
    metadata = {key: answer[key] for key in ("statusCode", "headers", "multiValueHeaders") if key in answer}
    body = str(answer.get("body") or "").encode()
    pieces = answer.get(STREAM_KEY) or [base64.b64decode(body) if answer.get("isBase64Encoded") else body]
    try:
        yield json.dumps(metadata).encode() + METADATA_END
        yield from pieces
    finally:
        if close := getattr(pieces, "close", None):  # not every iterator has one
            close()


if __name__ == "__main__":
    os.environ["SPARKANYWHERE_WATCH"] = "streamed"  # whatever the other functions of the stage do
    module, _, name = os.environ["_HANDLER"].rpartition(".")
    serve(getattr(import_module(module), name), os.environ["AWS_LAMBDA_RUNTIME_API"])
