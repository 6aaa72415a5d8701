"""Errors of AWS's APIs as provider errors.

What to try again, and what never, follows the lists that Dagster's and Airflow's ECS code and AWS Batch's documentation
keep.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib.providers.base import THROTTLED, ProviderError, ProviderUnavailable, RefusedError, TaskRejected

# Error codes of the API that pass. A right or a cluster that is missing does not: somebody has to see to that.
PASSING = {
    "ThrottlingException": THROTTLED,
    "Throttling": THROTTLED,
    "RequestLimitExceeded": THROTTLED,
    "TooManyRequestsException": THROTTLED,
    "ServerException": "ServerError",
    "ServiceUnavailable": "ServerError",
    "InternalError": "ServerError",
    "InternalFailure": "ServerError",
    "LimitExceededException": "QuotaExceeded",
    "PlatformTaskDefinitionIncompatibilityException": "Incompatible",
    "ExpiredTokenException": "Credentials",
    "UnrecognizedClientException": "Credentials",
}
INACTIVE = "DefinitionInactive"
# Of these, words in the message say that waiting may help, and for what.
PASSING_WORDS = {
    "capacity is unavailable": "CapacityUnavailable",
    "rate exceeded": THROTTLED,
    "rate limit exceeded": THROTTLED,
    "limit on the number of": "QuotaExceeded",  # of vCPUs, of tasks
    "vcpus limit": "QuotaExceeded",
    "insufficient free addresses": "NoFreeAddresses",
    "does not have enough free addresses": "NoFreeAddresses",
    "insufficientfreeaddressesinsubnet": "NoFreeAddresses",
    "timeout waiting for network interface": "Unavailable",
    "timeout waiting for ephemeralstorage": "Unavailable",
    "i/o timeout": "Unavailable",
    "taskdefinition is inactive": INACTIVE,  # deleted as an old one since this process has seen it
}


def translated(error: Exception) -> RefusedError:
    """Return the provider error for what boto3 has raised."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    code = str((response.get("Error") or {}).get("Code") or type(error).__name__)
    message = str((response.get("Error") or {}).get("Message") or error)
    if code in PASSING:
        return ProviderUnavailable(PASSING[code], f"{code}: {message}")
    reason = passing(message)
    if reason or not response:
        return ProviderUnavailable(reason or "Unavailable", f"{code}: {message}")
    return TaskRejected(code.removesuffix("Exception"), message)  # the reason is told beside it


def passing(text: str) -> str:
    """Return for what a refusal or an end in these words makes one wait, "" if waiting does not help."""
    return next((reason for words, reason in PASSING_WORDS.items() if words in text.lower()), "")


def failure(failures: Sequence[dict[str, Any]]) -> ProviderError:
    """Return the provider error for RunTask's `failures`, which come with HTTP 200."""
    first = failures[0] if failures else {}
    reason, detail = str(first.get("reason") or "unknown"), str(first.get("detail") or "")
    text = f"{reason}: {detail}" if detail else reason
    if reason == "INACTIVE" or "MISSING" in reason:
        return TaskRejected("ClusterNotFound", text)
    return ProviderUnavailable(passing(text) or "FailedScheduling", text)
