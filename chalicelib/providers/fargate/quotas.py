"""What the account's quotas let run at once, asked of Service Quotas once an hour.

AWS General Reference, "AWS Fargate endpoints and quotas": vCPUs of all on-demand and of all Spot tasks in a region.
Service Quotas API Reference, GetServiceQuota (2019-06-24).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from chalicelib.providers.extensions import Quota

LOG = logging.getLogger(__name__)

SERVICE = "fargate"
CODES = {"on-demand": "L-3032A538", "spot": "L-36FBB829"}
WANTED_VCPUS = 256  # what to ask for: 100 executors of 2 and then some
FRESH_SECONDS = 3600.0
MORE = (
    "aws service-quotas request-service-quota-increase --service-code {service} --quota-code {code}"
    " --desired-value {wanted}"
)


class AccountQuotas:
    """Remembers the quotas for an hour. `client` returns boto3's of Service Quotas. Safe to call from many threads."""

    def __init__(self, client: Callable[[], Any], seconds: Callable[[], float]) -> None:
        self._client = client
        self._seconds = seconds
        self._until = 0.0
        self._known: dict[str, float] = {}
        self._asking = threading.Lock()

    def get(self) -> tuple[Quota, ...]:
        """Return those that are known; one that cannot be had now stays what it was."""
        with self._asking:
            if self._seconds() >= self._until:
                self._until = self._seconds() + FRESH_SECONDS
                self._ask()
            return tuple(
                Quota(capacity, vcpus, MORE.format(service=SERVICE, code=CODES[capacity], wanted=WANTED_VCPUS))
                for capacity, vcpus in self._known.items()
            )

    def _ask(self) -> None:
        for capacity, code in CODES.items():
            try:
                answer = self._client().get_service_quota(ServiceCode=SERVICE, QuotaCode=code)
                self._known[capacity] = float(answer["Quota"]["Value"])
            except Exception as error:  # boto3's errors have no common base of ours; pods start without it
                LOG.info("quota=%s is not known: %s", code, error)
