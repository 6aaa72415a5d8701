"""Clients of AWS's APIs that give up soon enough to answer a request."""

from __future__ import annotations

from typing import Any

CONNECT_SECONDS, READ_SECONDS = 3, 7  # one call; the API must answer well inside Spark's ten seconds


def boto3_client(service: str, region: str) -> Any:  # Any: boto3 makes its clients at run time
    """Return a boto3 client whose calls end soon enough to answer a request."""
    import boto3  # lazy: Lambda's cold start pays for it only where tasks are run
    from botocore.config import Config

    limits = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "max_attempts": 2},
    )
    make: Any = boto3.client  # its stubs know services by literal names only
    return make(service, region_name=region, config=limits)
