"""What Fargate sells: the pairs of cpu and memory, and its list prices, data (prices.json) with its date and sources.

Amazon ECS Developer Guide, "Task CPU and memory" for Fargate (platform version 1.4.0); 8 and 16 vCPU are Linux only.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from chalicelib.providers.prices import PriceList, Rates
from chalicelib.providers.sizes import SizeTable

GIB = 1024  # MiB
CPU_UNITS = 1024  # to one vCPU

SIZES = SizeTable(
    seller="Fargate",
    memory_mib={
        250: (512, 1 * GIB, 2 * GIB),
        500: range(1 * GIB, 4 * GIB + 1, GIB),
        1000: range(2 * GIB, 8 * GIB + 1, GIB),
        2000: range(4 * GIB, 16 * GIB + 1, GIB),
        4000: range(8 * GIB, 30 * GIB + 1, GIB),
        8000: range(16 * GIB, 60 * GIB + 1, 4 * GIB),
        16000: range(32 * GIB, 120 * GIB + 1, 8 * GIB),
    },
    included_disk_gib=20,
    min_disk_gib=21,
    max_disk_gib=200,
)
TABLE = Path(__file__).with_name("prices.json")


def cpu_units(cpu_milli: int) -> int:
    """Return thousandths of a vCPU in the unit that ECS counts in."""
    return cpu_milli * CPU_UNITS // 1000


@cache
def price_list() -> PriceList:
    """Return Fargate's price list."""
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    return PriceList(
        seller=SIZES.seller,
        date=table["date"],
        region=table["region"],
        source=table["source"],
        rates=Rates(
            vcpu_hour=table["usd_per_vcpu_hour"],
            gib_hour=table["usd_per_gib_hour"],
            disk_gib_hour=table["usd_per_disk_gib_hour"],
            spot_factor=table["spot_factor"],
            minimum_seconds=table["minimum_seconds"],
            sizes=SIZES,
        ),
    )
