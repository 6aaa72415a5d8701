"""What tasks cost: a provider's price list, and flat prices for machines of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.providers.sizes import SizeTable

ARCHITECTURES = ("amd64", "arm64")


@dataclass(frozen=True, slots=True)
class Rates:
    """What a task costs: dollars an hour for each vCPU and each GiB by architecture, and by GiB of disk.

    `spot_factor` is what interruptible capacity leaves of a price; `minimum_seconds` is billed in any case;
    with `sizes` a task is billed by the size that it is sold as, else by what it asks for.
    """

    vcpu_hour: Mapping[str, float]
    gib_hour: Mapping[str, float]
    disk_gib_hour: float = 0.0
    spot_factor: float = 1.0
    minimum_seconds: float = 0.0
    sizes: SizeTable | None = None

    @property
    def are_free(self) -> bool:
        """Return whether nothing costs anything."""
        return not any((*self.vcpu_hour.values(), *self.gib_hour.values(), self.disk_gib_hour))


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """Published prices: whose they are, when and where they held, and in words where they are from."""

    seller: str
    date: str
    region: str
    source: str
    rates: Rates


def flat_rates(usd_per_vcpu_hour: float, usd_per_gib_hour: float) -> Rates:
    """Return prices that are the same for every architecture, by the second and by what was asked for."""
    return Rates(
        vcpu_hour=dict.fromkeys(ARCHITECTURES, usd_per_vcpu_hour),
        gib_hour=dict.fromkeys(ARCHITECTURES, usd_per_gib_hour),
    )


FREE = flat_rates(0.0, 0.0)
