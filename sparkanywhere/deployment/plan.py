"""What Terraform would do, and what it would cost while no job runs.

Terraform's JSON output format, "Plan representation" (format 1.2). Prices: AWS's list prices of us-east-1, 730 hours a
month, 2026-11; what is paid by the request costs nothing while nobody asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

JSON = Mapping[str, Any]
MONTHLY_USD = {
    "aws_cloudwatch_dashboard": 3.00,  # beyond the three that an account has free
    "aws_cloudwatch_metric_alarm": 0.10,  # beyond the ten
    "aws_eip": 3.65,
    "aws_kms_key": 1.00,
    "aws_nat_gateway": 32.85,  # and $0.045 a GB
    "aws_secretsmanager_secret": 0.40,
}
INTERFACE_USD = 7.30  # a VPC's interface endpoint in one zone
CREATE, UPDATE, DELETE = "create", "update", "delete"


@dataclass(frozen=True, slots=True)
class Plan:
    """How many resources of each type are created, updated and deleted, and what costs how much in a month."""

    created: Counter[str]
    updated: Counter[str]
    deleted: Counter[str]
    monthly_usd: dict[str, float]

    @property
    def is_empty(self) -> bool:
        """Return whether all is as it should be."""
        return not (self.created or self.updated or self.deleted)


def read_plan(document: JSON) -> Plan:
    """Return the plan that `terraform show -json` has printed; one that is replaced is deleted and created."""
    counts: dict[str, Counter[str]] = {CREATE: Counter(), UPDATE: Counter(), DELETE: Counter()}
    for each in document.get("resource_changes", ()):
        for action in each["change"]["actions"]:
            if action in counts and each["mode"] == "managed":
                counts[action][each["type"]] += 1
    planned = list(_resources(document["planned_values"].get("root_module", {})))
    zones = sum(each["type"] == "aws_subnet" and each["name"] == "tasks" for each in planned)
    usd: Counter[str] = Counter()  # of cents, so that sums are exact
    for each in planned:
        kind, price = each["type"], MONTHLY_USD.get(each["type"], 0.0)
        if kind == "aws_vpc_endpoint" and each["values"].get("vpc_endpoint_type") == "Interface":
            price = INTERFACE_USD * zones
        if price:
            usd[kind] += round(price * 100)
    return Plan(counts[CREATE], counts[UPDATE], counts[DELETE], {kind: cents / 100 for kind, cents in usd.items()})


def _resources(module: JSON) -> Iterator[JSON]:
    yield from (each for each in module.get("resources", ()) if each["mode"] == "managed")
    for child in module.get("child_modules", ()):
        yield from _resources(child)
