"""AWS Lambda's own API, as far as we call it: Invoke with the type Event, which queues an event and returns.

AWS Lambda Developer Guide, "Invoking a Lambda function asynchronously" (2026): an event whose function fails is tried
twice more, a minute and then two minutes later; here at once.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote

from tests.aws_box.lambda_function import FunctionError, LambdaFunction
from tests.aws_box.wire import Answer, HttpServer, Request

EVENT_BYTES = 1024 * 1024  # "Lambda quotas", invocation payload of asynchronous requests
TRIES = 3
AT_ONCE = 64


class LambdaApi:
    """Invokes functions that are registered by name. Each event waits its turn in a thread of its own."""

    def __init__(self) -> None:
        self.functions: dict[str, LambdaFunction] = {}
        self.events: list[tuple[str, Any]] = []  # every event that was taken: (function, event)
        self.refuse = ""  # the code of the error that every call gets
        self.lose: Callable[[str], bool] = lambda _name: False  # whether an event that was taken is lost
        self._closed = threading.Event()
        self._threads = ThreadPoolExecutor(AT_ONCE)
        self._server = HttpServer(self._serve)
        self.url = self._server.url

    def close(self) -> None:
        """Stop serving; what has not begun is dropped."""
        self._closed.set()
        self._server.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _serve(self, request: Request) -> Answer:
        name = unquote(request.target).split("/functions/")[1].removesuffix("/invocations")
        if request.header("x-amz-invocation-type") != "Event":
            return _refusal(400, "InvalidParameterValueException")
        if self.refuse:
            return _refusal(403 if self.refuse.startswith("AccessDenied") else 429, self.refuse)
        if name not in self.functions:
            return _refusal(404, "ResourceNotFoundException")
        if len(request.body) > EVENT_BYTES:
            return _refusal(413, "RequestTooLargeException")
        event = json.loads(request.body)
        self.events.append((name, event))
        if not self.lose(name):
            self._threads.submit(self._invoke, self.functions[name], event)
        return Answer(202)

    def _invoke(self, function: LambdaFunction, event: Any) -> None:
        for _ in range(TRIES):
            if self._closed.is_set():
                return
            try:
                function.invoke_queued(event)
                return
            except FunctionError:
                continue


def _refusal(status: int, code: str) -> Answer:
    headers = [("Content-Type", "application/json"), ("X-Amzn-ErrorType", code)]
    return Answer(status, json.dumps({"Type": "User", "Message": code}).encode(), headers)
