"""The other Lambda functions of this deployment, by their names in app.py. They are invoked, and not waited for.

AWS Lambda API Reference, Invoke (2015-03-31), invocation type Event: answered once the event is queued; it may arrive
more than once, and is tried three times if the function fails.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from chalicelib.aws_client import aws_client
from chalicelib.controllers.pods.launches import FunctionUnavailable
from chalicelib.extras import lacking


class Functions:
    """Invokes functions whose names begin as this deployment's do. Safe from many threads."""

    def __init__(self, prefix: str, region: str, *, client: Callable[[str, str], Any] = aws_client) -> None:
        self._prefix = prefix
        self._region = region
        self._make = client
        self._client: Any = None  # Any: a boto3 client

    def prepare(self) -> None:
        """Make the client, which the first call does otherwise. Repeatable; nothing is asked."""
        self._client = self._client or self._make("lambda", self._region)

    def __call__(self, name: str, event: dict[str, Any]) -> None:
        """Have a function run with an event, soon. Raises FunctionUnavailable."""
        if words := lacking("aws"):
            raise FunctionUnavailable(words)
        self.prepare()
        function = f"{self._prefix}-{name}"
        try:
            self._client.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event).encode())
        except Exception as error:  # boto3's errors have no common base of ours
            raise FunctionUnavailable(f"{function}: {error}") from error
