"""Calls of AWS's APIs end in time for an answer, however often botocore repeats them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib.aws_client import aws_client
from chalicelib.files import bucket
from chalicelib.storage.dynamodb.storage import DynamoStorage

CLIENT_SECONDS = 10  # that Spark 4.3's client waits for an answer (spark.kubernetes.submission.requestTimeout)
REGION = "us-east-1"
CLIENT = re.compile(r"boto3\.(client|resource|session)|\.create_client\(")
CLIENTS: dict[str, Callable[[], Any]] = {  # Any: botocore makes its clients at run time
    "dynamodb": lambda: DynamoStorage("table", region=REGION).client,
    "ecs": lambda: aws_client("ecs", REGION),
    "logs": lambda: aws_client("logs", REGION),
    "s3": lambda: bucket.s3_client(REGION),
    "ssm": lambda: aws_client("ssm", REGION),
}


@pytest.mark.parametrize("name", CLIENTS)
def test_all_attempts_of_a_call_end_before_its_client_gives_up(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "testing")

    config = CLIENTS[name]().meta.config

    attempts = config.retries["total_max_attempts"]
    assert attempts >= 2
    assert attempts * (config.connect_timeout + config.read_timeout) < CLIENT_SECONDS


def test_there_are_no_other_clients() -> None:
    sources = Path(__file__).resolve().parents[2] / "chalicelib"

    makers = [path.name for path in sources.rglob("*.py") if CLIENT.search(path.read_text())]

    assert makers == ["aws_client.py"]
