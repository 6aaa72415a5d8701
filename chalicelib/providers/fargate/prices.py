"""Fargate's list prices: data (prices.json) with its date and sources."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from chalicelib.providers.fargate.sizes import SIZES
from chalicelib.providers.prices import PriceList, Rates

TABLE = Path(__file__).with_name("prices.json")


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
