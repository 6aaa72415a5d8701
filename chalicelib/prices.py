"""The price table of Fargate, which the command line and the page both read. Data, with its date and source."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

PRICES = Path(__file__).with_name("prices.json")


@cache
def prices() -> dict[str, Any]:  # Any: numbers and texts of our own data file
    """Return the price table: dollars per vCPU-hour and GiB-hour by architecture, and what Spot leaves of them."""
    table: dict[str, Any] = json.loads(PRICES.read_text(encoding="utf-8"))
    return table
