"""An ECS API that answers as a test says, for the provider alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.providers.fargate.site import DeploymentConfig

SITE = DeploymentConfig(
    name="jobs",
    cluster="jobs",
    region="eu-west-1",
    subnets=(("", "subnet-1"),),
    security_group="sg-1",
    assign_public_ip=False,
    execution_role_arn="arn:aws:iam::123456789012:role/e",
    task_role_arn="arn:aws:iam::123456789012:role/t",
    log_group="/jobs",
)
Answer = Callable[[dict[str, Any]], dict[str, Any]]


class Refusal(ClientError):
    """An error answer of the API."""

    def __init__(self, code: str, message: str, **more: Any) -> None:
        response: Any = {"Error": {"Code": code, "Message": message}, **more}
        super().__init__(response, "operation")


class ClientException(Refusal):
    """As ECS names what it refuses for many a reason."""


class ConflictException(Refusal):
    """As ECS names a clientToken that comes with other parameters."""


class ClusterNotFoundException(Refusal):
    """As ECS names a cluster that is not there."""


class InvalidParameterException(Refusal):
    """As ECS names what it does not find, or does not understand."""


class Paginator:
    """Pages of one."""

    def __init__(self, call: Answer) -> None:
        self._call = call

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        """Return the one page."""
        return [self._call(asked)]


class FakeApi:
    """Answers each operation by a function; notes every call."""

    class exceptions:
        """The errors that the provider tells apart."""

        ClientException = ClientException
        ConflictException = ConflictException
        ClusterNotFoundException = ClusterNotFoundException
        InvalidParameterException = InvalidParameterException

    def __init__(self, **answers: Answer) -> None:
        self._answers = answers
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        answer = self._answers[operation]

        def call(**asked: Any) -> dict[str, Any]:
            self.calls.append((operation, asked))
            return answer(asked)

        return call

    def get_paginator(self, operation: str) -> Paginator:
        """Return what answers an operation page by page."""
        return Paginator(self._answers[operation])

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """Return what each call of an operation has asked."""
        return [asked for name, asked in self.calls if name == operation]


def raising(error: Exception) -> Answer:
    """Return what raises, whatever is asked."""

    def answer(_asked: dict[str, Any]) -> dict[str, Any]:
        raise error

    return answer


def in_turn(*answers: Answer) -> Answer:
    """Return what answers by one after the other, and by the last from then on."""
    left = list(answers)

    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        return (left.pop(0) if len(left) > 1 else left[0])(asked)

    return answer
