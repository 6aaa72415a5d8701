"""Quantities until apimachinery has them: parse and canonical form of `500m`, `1Gi`, `2`, `1e3`."""

from __future__ import annotations

import re
from fractions import Fraction

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([KMGTPE]i|[numkMGTPE]))?")
_BINARY = {f"{unit}i": 1024**power for power, unit in enumerate("KMGTPE", 1)}
_DECIMAL = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    **{unit: Fraction(1000**power) for power, unit in enumerate("kMGTPE", 1)},
}


def parse(text: object) -> Fraction:
    """Return the amount that a quantity stands for. Raises ValueError for anything else."""
    match = _QUANTITY.fullmatch(str(text).strip())
    if not match:
        raise ValueError(f"not a quantity: {text!r}")
    number, exponent, suffix = match.groups()
    if exponent:
        return Fraction(number + exponent)
    return Fraction(number) * (_BINARY.get(suffix or "") or _DECIMAL[suffix or ""])


def canonical(text: object) -> str:
    """Return a quantity with the largest suffix that leaves a whole number: 1024Mi is 1Gi, 0.5 is 500m."""
    amount = parse(text)
    if not amount:
        return "0"
    if str(text).strip().endswith("i") and abs(amount) >= 1024 and amount.denominator == 1:
        for suffix in reversed(_BINARY):
            if amount % _BINARY[suffix] == 0:
                return f"{amount // _BINARY[suffix]}{suffix}"
        return str(amount)
    for suffix in ("E", "P", "T", "G", "M", "k", "", "m", "u", "n"):
        if amount % _DECIMAL[suffix] == 0:
            return f"{amount // _DECIMAL[suffix]}{suffix}"
    return f"{-(-amount // _DECIMAL['n'])}n"
