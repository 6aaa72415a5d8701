"""What providers charge: Fargate's price table, data with its date and source, and flat prices for other machines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PRICES = Path(__file__).with_name("prices.json")
ARCHITECTURES = ("amd64", "arm64")


@dataclass(frozen=True, slots=True)
class Rates:
    """What a task costs: dollars an hour for each vCPU and each GiB by architecture, and by GiB of disk.

    `spot_factor` is what interruptible capacity leaves of a price; `minimum_seconds` is billed in any case;
    with `whole_sizes` a task is billed by the size that it is sold as (providers/fargate/sizes.py).
    """

    vcpu_hour: Mapping[str, float]
    gib_hour: Mapping[str, float]
    disk_gib_hour: float = 0.0
    spot_factor: float = 1.0
    minimum_seconds: float = 0.0
    whole_sizes: bool = False

    @property
    def are_free(self) -> bool:
        """Return whether nothing costs anything."""
        return not any((*self.vcpu_hour.values(), *self.gib_hour.values(), self.disk_gib_hour))


@cache
def prices() -> dict[str, Any]:  # Any: numbers and texts of our own data file
    """Return the price table: dollars per vCPU-hour and GiB-hour by architecture, and what Spot leaves of them."""
    table: dict[str, Any] = json.loads(PRICES.read_text(encoding="utf-8"))
    return table


@cache
def fargate_rates() -> Rates:
    """Return Fargate's list prices."""
    table = prices()
    return Rates(
        vcpu_hour=table["usd_per_vcpu_hour"],
        gib_hour=table["usd_per_gib_hour"],
        disk_gib_hour=table["usd_per_disk_gib_hour"],
        spot_factor=table["spot_factor"],
        minimum_seconds=table["minimum_seconds"],
        whole_sizes=True,
    )


def flat_rates(usd_per_vcpu_hour: float, usd_per_gib_hour: float) -> Rates:
    """Return prices that are the same for every architecture, by the second and by what was asked for."""
    return Rates(
        vcpu_hour=dict.fromkeys(ARCHITECTURES, usd_per_vcpu_hour),
        gib_hour=dict.fromkeys(ARCHITECTURES, usd_per_gib_hour),
    )


FREE = flat_rates(0.0, 0.0)
