"""Amounts in resource lists: JSON has them as text or as a plain number."""

from __future__ import annotations

from functools import lru_cache

from chalicelib.apimachinery.rules.quantity import NANO, canonical_resource, parse_quantity
from chalicelib.apimachinery.types import JSON

__all__ = ["NANO", "amount_text", "amounts_texts", "nanos"]


@lru_cache(maxsize=1024)
def nanos(amount: object) -> int:
    """Return an amount in thousand-millionths. Raises ValueError, worded as a real server's decoder."""
    return parse_quantity(str(amount)).nanos


def amount_text(amount: object) -> str:
    """Return an amount as the server writes it: 1024Mi is 1Gi, 0.5 is 500m. Raises ValueError."""
    return canonical_resource(str(amount))


def amounts_texts(amounts: JSON) -> JSON:
    """Return a resource list with every amount as the server writes it. Raises ValueError."""
    return {name: canonical_resource(str(amount)) for name, amount in amounts.items()}
