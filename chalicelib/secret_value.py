"""A secret's text from AWS, by its ARN: Secrets Manager's or Parameter Store's. Nothing of it is ever logged.

AWS Secrets Manager API Reference, GetSecretValue; AWS Systems Manager API Reference, GetParameter.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from chalicelib.aws_client import aws_client
from chalicelib.config import SettingsError
from chalicelib.extras import lacking

ARN = re.compile(r"arn:aws[a-z-]*:(?P<service>secretsmanager|ssm):(?P<region>[a-z0-9-]+):\d{12}:.+")

Client = Callable[[str, str], Any]  # (service, region) -> a boto3 client, which is made at run time


class SecretUnreadable(Exception):
    """AWS did not give the secret; str() says why, without any of it, and `code` is AWS's, "" if it gave none."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


def check_arn(arn: str) -> None:
    """Raise SettingsError for what is no ARN of a secret or a parameter, and where boto3 is not installed."""
    if not ARN.fullmatch(arn):
        raise SettingsError(
            f"SPARKANYWHERE_TOKEN_FROM is {arn!r}, but takes the ARN of a secret of Secrets Manager or of a"
            " parameter of Parameter Store"
        )
    if words := lacking("aws"):
        raise SettingsError(f"SPARKANYWHERE_TOKEN_FROM is set, but {words}")


def read_secret(arn: str, *, client: Client = aws_client) -> str:
    """Return the secret's text, without white space around it. Raises SecretUnreadable, also for an empty one."""
    found = ARN.fullmatch(arn)
    if found is None:
        raise SecretUnreadable(f"{arn} is no ARN of a secret")
    try:
        text = _read(client(found["service"], found["region"]), found["service"], arn)
    except Exception as error:  # boto3's errors have no common base of ours
        response = getattr(error, "response", None) or {}
        code = (response.get("Error") or {}).get("Code") or type(error).__name__
        raise SecretUnreadable(f"{arn} cannot be read: {code}", code) from error
    if not text.strip():
        raise SecretUnreadable(f"{arn} holds no text")
    return text.strip()


def _read(client: Any, service: str, arn: str) -> str:  # Any: a boto3 client
    if service == "ssm":
        return str(client.get_parameter(Name=arn, WithDecryption=True)["Parameter"]["Value"])
    answer = client.get_secret_value(SecretId=arn)
    return "" if "SecretBinary" in answer else str(answer["SecretString"])
