"""Functions of the same deployment: by their names, and an error of ours where they cannot be invoked."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.controllers.pods.launches import FunctionUnavailable
from chalicelib.lambda_environ import functions_prefix
from chalicelib.plane.functions import Functions


class LambdaClient:
    """Keeps what it is asked to invoke."""

    def __init__(self, error: Exception | None = None) -> None:
        self.invoked: list[dict[str, Any]] = []
        self._error = error

    def invoke(self, **parameters: Any) -> None:
        """Take the call, or raise."""
        self.invoked.append(parameters)
        if self._error:
            raise self._error


@pytest.mark.parametrize(
    ("name", "handler", "prefix"),
    [
        ("sparkanywhere-prod", "app.app", "sparkanywhere-prod"),
        ("sparkanywhere-prod-resync", "app.resync", "sparkanywhere-prod"),
        ("sparkanywhere-prod-task_events", "app.task_events", "sparkanywhere-prod"),
        ("team-resync", "app.app", "team-resync"),
    ],
)
def test_every_function_knows_how_the_names_of_all_begin(name: str, handler: str, prefix: str) -> None:
    assert functions_prefix({"AWS_LAMBDA_FUNCTION_NAME": name, "_HANDLER": handler}) == prefix
    assert functions_prefix({}) == ""


def test_a_function_is_invoked_by_its_name_and_not_waited_for() -> None:
    client = LambdaClient()

    Functions("sparkanywhere-prod", "us-east-1", client=lambda *_: client)("launch", {"pods": ["a"]})

    event = {"FunctionName": "sparkanywhere-prod-launch", "InvocationType": "Event", "Payload": b'{"pods": ["a"]}'}
    assert client.invoked == [event]


def test_one_that_cannot_be_invoked_is_unavailable_with_awss_words() -> None:
    functions = Functions("sparkanywhere-prod", "us-east-1", client=lambda *_: LambdaClient(OSError("Rate Exceeded")))

    with pytest.raises(FunctionUnavailable, match="sparkanywhere-prod-launch: Rate Exceeded"):
        functions("launch", {})
