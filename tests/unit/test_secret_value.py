"""A secret's text is read by its ARN, from whichever of AWS's two stores keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib.config import SettingsError
from chalicelib.secret_value import SecretUnreadable, check_arn, read_secret

REGION = "eu-west-1"
TOKEN = "a token of the administrator"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield


def parameter(value: str) -> str:
    """Keep a value in Parameter Store; return its ARN."""
    client: Any = boto3.client("ssm", region_name=REGION)
    client.put_parameter(Name="/deployment/token", Value=value, Type="SecureString")
    return str(client.get_parameter(Name="/deployment/token")["Parameter"]["ARN"])


def secret(value: str) -> str:
    """Keep a value in Secrets Manager; return its ARN."""
    client: Any = boto3.client("secretsmanager", region_name=REGION)
    return str(client.create_secret(Name="deployment/token", SecretString=value)["ARN"])


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("keep", [parameter, secret])
def test_the_text_is_read_without_white_space_around_it(keep: Any) -> None:
    arn = keep(f"{TOKEN}\n")

    check_arn(arn)
    assert read_secret(arn) == TOKEN


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("arn", "why"),
    [
        (f"arn:aws:ssm:{REGION}:123456789012:parameter/none", "ParameterNotFound"),
        (f"arn:aws:secretsmanager:{REGION}:123456789012:secret:none-AbCdEf", "ResourceNotFoundException"),
        ("not an ARN", "is no ARN"),
    ],
)
def test_what_is_not_there_is_said_by_its_arn(arn: str, why: str) -> None:
    with pytest.raises(SecretUnreadable, match=why):
        read_secret(arn)


@pytest.mark.usefixtures("aws")
def test_an_empty_secret_is_none() -> None:
    with pytest.raises(SecretUnreadable, match="holds no text"):
        read_secret(secret(" \n"))


@pytest.mark.parametrize("arn", ["token", "arn:aws:s3:::bucket/token", "arn:aws:ssm:eu-west-1:1:parameter/a"])
def test_a_setting_that_is_no_such_arn_is_refused_by_name(arn: str) -> None:
    with pytest.raises(SettingsError, match="SPARKANYWHERE_TOKEN_FROM"):
        check_arn(arn)
