"""Clients of AWS's APIs that give up soon enough to answer a request, and their errors as provider errors.

What to try again, and what never, follows the lists that Dagster's and Airflow's ECS code and AWS Batch's documentation
keep.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib.providers.base import ProviderError, ProviderUnavailable, TaskRejected

CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 1, 3, 2  # together within the ten seconds that Spark waits for an answer
# Error codes of the API that pass.
PASSING = {
    "ThrottlingException": "Throttled",
    "Throttling": "Throttled",
    "RequestLimitExceeded": "Throttled",
    "TooManyRequestsException": "Throttled",
    "ServerException": "ServerError",
    "ServiceUnavailable": "ServerError",
    "InternalError": "ServerError",
    "InternalFailure": "ServerError",
    "LimitExceededException": "QuotaExceeded",
    "PlatformTaskDefinitionIncompatibilityException": "Incompatible",
    "ExpiredTokenException": "Credentials",
    "ClusterNotFoundException": "ClusterNotFound",
    "AccessDeniedException": "AccessDenied",
    "UnrecognizedClientException": "Credentials",
}
# Of these, words in the message say that waiting may help, and for what.
PASSING_WORDS = {
    "capacity is unavailable": "CapacityUnavailable",
    "rate exceeded": "Throttled",
    "rate limit exceeded": "Throttled",
    "limit on the number of": "QuotaExceeded",  # of vCPUs, of tasks
    "vcpus limit": "QuotaExceeded",
    "insufficient free addresses": "NoFreeAddresses",
    "does not have enough free addresses": "NoFreeAddresses",
    "insufficientfreeaddressesinsubnet": "NoFreeAddresses",
    "timeout waiting for network interface": "Unavailable",
    "timeout waiting for ephemeralstorage": "Unavailable",
    "i/o timeout": "Unavailable",
}


def boto3_client(service: str, region: str) -> Any:  # Any: boto3 makes its clients at run time
    """Return a boto3 client whose calls end soon enough to answer a request."""
    import boto3  # lazy: Lambda's cold start pays for it only where tasks are run
    from botocore.config import Config

    limits = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )
    make: Any = boto3.client  # its stubs know services by literal names only
    return make(service, region_name=region, config=limits)


def translated(error: Exception) -> ProviderError:
    """Return the provider error for what boto3 has raised."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    code = str((response.get("Error") or {}).get("Code") or type(error).__name__)
    message = str((response.get("Error") or {}).get("Message") or error)
    if code in PASSING:
        return ProviderUnavailable(PASSING[code], f"{code}: {message}")
    reason = passing(message)
    if reason or not response:
        return ProviderUnavailable(reason or "Unavailable", f"{code}: {message}")
    return TaskRejected(code.removesuffix("Exception"), f"{code}: {message}")


def passing(text: str) -> str:
    """Return for what a refusal or an end in these words makes one wait, "" if waiting does not help."""
    return next((reason for words, reason in PASSING_WORDS.items() if words in text.lower()), "")


def failure(failures: Sequence[dict[str, Any]]) -> ProviderError:
    """Return the provider error for RunTask's `failures`, which come with HTTP 200."""
    first = failures[0] if failures else {}
    reason, detail = str(first.get("reason") or "unknown"), str(first.get("detail") or "")
    text = f"{reason}: {detail}" if detail else reason
    if reason == "INACTIVE" or "MISSING" in reason:
        return ProviderUnavailable("ClusterNotFound", text)
    return ProviderUnavailable(passing(text) or "FailedScheduling", text)
