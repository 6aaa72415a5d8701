"""What Azure sells container groups at and in which sizes: data with its date and source."""

from __future__ import annotations

from functools import cache

from chalicelib.providers.prices import PriceList, Rates
from chalicelib.providers.sizes import SizeTable

GIB = 1024  # MiB; what Azure calls GB
STEP_MILLI, STEP_MIB = 100, 512  # ours: Azure takes any number
# learn.microsoft.com, "Resource availability & quota limits for ACI" (2025-11): up to 31 vCPU and 240 GB, in some
# regions and where there is room; 4 vCPU and 16 GB everywhere. 50 GB of disk.
MAX_MILLI, MAX_GIB = 31_000, 240

SIZES = SizeTable(
    seller="Azure Container Instances",
    memory_mib=dict.fromkeys(
        range(STEP_MILLI, MAX_MILLI + 1, STEP_MILLI), range(STEP_MIB, MAX_GIB * GIB + 1, STEP_MIB)
    ),
    included_disk_gib=50,
    min_disk_gib=50,
    max_disk_gib=50,
)


@cache
def price_list() -> PriceList:
    """Return the list price of Linux groups, billed by the second from the pull of the image on."""
    return PriceList(
        seller=SIZES.seller,
        date="2026-11",
        region="eastus",
        source="from memory of Azure's public price page: check before you rely on it",
        rates=Rates(vcpu_hour={"amd64": 0.0405}, gib_hour={"amd64": 0.00445}, sizes=SIZES),
    )
