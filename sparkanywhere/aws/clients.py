"""boto3 clients of the person who looks, and what their errors mean.

Each call ends within 18 seconds, its second try included: a check of a deployment as a whole has 25.
"""

from __future__ import annotations

import threading
from typing import Any

from chalicelib.extras import lacking
from sparkanywhere.client.failure import Failure

CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 3, 6, 2
# Error codes by which services say that the caller may not: EC2's, IAM's and STS's, the JSON protocols', Lambda's.
DENIED = {
    "403",  # of a HEAD, which has no body
    "UnauthorizedOperation",
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
}

THROTTLED = {"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"}
SERVER_ERROR = 500


class AwsUnusable(Failure):
    """AWS cannot be asked from here; str() says what to do."""


class Clients:
    """Makes and keeps one client for each service. Safe to call from many threads.

    `session` is a boto3.Session; `region` overrides its own. Raises AwsUnusable where boto3 is missing or the profile
    cannot be used.
    """

    def __init__(self, region: str = "", session: Any = None) -> None:  # Any: boto3's, which may not be installed
        if words := lacking("aws"):
            raise AwsUnusable(f"To look at AWS, {words}")
        import boto3
        from botocore.exceptions import BotoCoreError

        try:
            self.session: Any = session or boto3.Session()
            self.profile_region = str(self.session.region_name or "")
        except BotoCoreError as error:
            raise AwsUnusable(f"{error}: `aws configure list-profiles` lists the profiles of this machine.") from error
        self.region = region or self.profile_region
        self._made: dict[str, Any] = {}
        self._making = threading.Lock()  # boto3 makes clients in one thread only

    def __call__(self, service: str) -> Any:  # Any: boto3 makes its clients at run time
        """Return the client of a service in the region. Raises AwsUnusable where no region is known."""
        from botocore.config import Config

        if not self.region:
            raise AwsUnusable("No region is set: export AWS_DEFAULT_REGION=REGION")
        with self._making:
            if service not in self._made:
                limits = Config(
                    connect_timeout=CONNECT_SECONDS,
                    read_timeout=READ_SECONDS,
                    retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                )
                self._made[service] = self.session.client(service, region_name=self.region, config=limits)
            return self._made[service]


def code_of(error: Exception) -> str:
    """Return the error code of an answer of AWS, "" if none came."""
    response = getattr(error, "response", None) or {}
    return str((response.get("Error") or {}).get("Code") or "")


def is_denied(error: Exception) -> bool:
    """Return whether AWS has said that the caller may not do this."""
    return code_of(error) in DENIED


def is_passing(error: Exception) -> bool:
    """Return whether AWS itself has failed or throttles: that says nothing of the deployment."""
    response = getattr(error, "response", None) or {}
    status = int((response.get("ResponseMetadata") or {}).get("HTTPStatusCode") or 0)
    return status >= SERVER_ERROR or code_of(error) in THROTTLED
