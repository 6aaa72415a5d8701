"""Quantities (`500m`, `1Gi`, `1e3`): parsed exactly, compared, added, written as a real server does.

Reference: kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity;
k8s.io/apimachinery/pkg/api/resource/quantity.go, v1.36.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache, total_ordering
from typing import Literal

Format = Literal["DecimalSI", "BinarySI", "DecimalExponent"]

NANO = 10**9  # a quantity counts in thousand-millionths: nothing smaller exists
MEBI = 1024**2
_INT64_MAX = 2**63 - 1
_MAX_BINARY = _INT64_MAX * NANO
_MAX_EXPONENT = 1000  # of ten; a real server takes more and pays for it in memory
_MAX_DIGITS = 1000  # far beyond any resource, and far below where Python refuses to convert
_FAST_DIGITS = 18  # up to so many digits Go computes in an int64 and may keep the text as it was sent

WRONG_FORMAT = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
WRONG_NUMBER = "unable to parse numeric part of quantity"
WRONG_SUFFIX = "unable to parse quantity's suffix"

# `*+` gives nothing back: digits could otherwise be the number's or the suffix's, in as many ways as there are digits.
_SHAPE = re.compile(r"([+-]?)([0-9]*+)(?:\.([0-9]*+))?([eEinumkKMGTP]*+[-+]?[0-9]*+)")
_EXPONENT = re.compile(r"[eE]([-+]?[0-9]{1,18})")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIXES = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY_SUFFIXES = {0: "", **{exponent: suffix for suffix, exponent in _BINARY.items()}}


@total_ordering
@dataclass(frozen=True, slots=True)
class Quantity:
    """An amount in nanos and its preferred format; equal amounts are equal in any format."""

    nanos: int = 0
    format: Format = field(default="DecimalSI", compare=False)
    text: str = field(default="", compare=False)  # as sent, where a real server keeps that

    def __lt__(self, other: Quantity) -> bool:
        return self.nanos < other.nanos

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.nanos + other.nanos, self.format if self.nanos else other.format)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.nanos - other.nanos, self.format if self.nanos else other.format)

    def __str__(self) -> str:
        """Return the canonical text."""
        if self.text or not self.nanos:
            return self.text or "0"
        whole, rest = divmod(self.nanos, NANO)
        if self.format == "BinarySI" and not rest and abs(whole) >= 1024:
            number, exponent = whole, 0
            while number % 1024 == 0 and exponent < max(_BINARY_SUFFIXES):
                number, exponent = number // 1024, exponent + 10
            return f"{number}{_BINARY_SUFFIXES[exponent]}"
        number, exponent = self.nanos, -9
        while number % 1000 == 0:
            number, exponent = number // 1000, exponent + 3
        suffix = _DECIMAL_SUFFIXES.get(exponent)
        if self.format == "DecimalExponent" or suffix is None:
            suffix = f"e{exponent}" if exponent else ""
        return f"{number}{suffix}"

    def scaled(self, unit_nanos: int) -> int:
        """Return the amount in units of `unit_nanos` nanos, rounded away from zero, at most what an int64 holds."""
        return min(_round_away(self.nanos, unit_nanos), _INT64_MAX)

    @property
    def amount(self) -> float:
        """The amount as a float, at most what an int64 holds."""
        return min(self.nanos, _MAX_BINARY) / NANO

    @property
    def value(self) -> int:
        """The whole amount, rounded away from zero: bytes, pods, cores."""
        return self.scaled(NANO)

    @property
    def milli(self) -> int:
        """The amount in thousandths, rounded away from zero: CPU."""
        return self.scaled(NANO // 1000)

    @property
    def mebibytes(self) -> int:
        """The amount in MiB, rounded away from zero: memory."""
        return self.scaled(NANO * MEBI)

    def rounded_to_milli(self) -> Quantity:
        """Return the quantity without anything below a thousandth, as lists of resources hold it."""
        milli = NANO // 1000
        if self.nanos % milli == 0:
            return self
        return Quantity(self.milli * milli, self.format)


def _round_away(number: int, unit: int) -> int:
    whole = -(-abs(number) // unit)
    return whole if number >= 0 else -whole


def _interpret(suffix: str) -> tuple[int, int, Format]:
    """Return (base, exponent, format) of a suffix."""
    if suffix in _DECIMAL:
        return 10, _DECIMAL[suffix], "DecimalSI"
    if suffix in _BINARY:
        return 2, _BINARY[suffix], "BinarySI"
    match = _EXPONENT.fullmatch(suffix)
    if match is None or abs(int(match[1])) > _MAX_EXPONENT:
        raise ValueError(WRONG_SUFFIX)
    return 10, int(match[1]), "DecimalExponent"


def parse_quantity(text: str) -> Quantity:
    """Return the quantity that `text` stands for, rounded away from zero to a nano.

    A number without digits is 0, as to a real server. Raises ValueError with the text that it gives.
    """
    match = _SHAPE.fullmatch(text)
    if not text or match is None:
        raise ValueError(WRONG_FORMAT)
    sign, whole, fraction, suffix = match[1], match[2].lstrip("0"), match[3] or "", match[4]
    base, exponent, form = _interpret(suffix)
    if len(whole) + len(fraction) > _MAX_DIGITS:
        raise ValueError(WRONG_NUMBER)
    digits = int(whole + fraction or "0")
    top, bottom = digits * NANO, 10 ** len(fraction)
    if base == 2:
        top <<= exponent
    elif exponent >= 0:
        top *= 10**exponent
    else:
        bottom *= 10**-exponent
    nanos = _round_away(top, bottom)
    if form == "BinarySI":
        nanos = min(nanos, _MAX_BINARY)
        if 0 < nanos < NANO:
            form = "DecimalSI"
    kept = text if _is_kept(whole or "0", fraction, exponent, form) else ""
    return Quantity(-nanos if sign == "-" else nanos, form, kept)


def _is_kept(whole: str, fraction: str, exponent: int, form: Format) -> bool:
    """Return whether a real server takes the text for canonical already: a test by its looks alone."""
    shifted = whole + fraction
    if form == "BinarySI":
        small = 15 - len(whole) - exponent * 3 // 10 - 1 >= 0
        return not fraction and small and int(whole) % 8 != 0
    scale = exponent - len(fraction)
    if len(shifted) > _FAST_DIGITS or scale < -9:
        return False
    return scale % 3 == 0 and not shifted.endswith("000") and shifted[0] != "0"


@lru_cache(maxsize=1024)
def canonical(text: str) -> str:
    """Return a quantity's text as a real server gives it back: `0.5` is `500m`. Raises ValueError."""
    return str(parse_quantity(text))


@lru_cache(maxsize=1024)
def canonical_resource(text: str) -> str:
    """Return the same for an entry of a resource list, which holds nothing below a thousandth."""
    return str(parse_quantity(text).rounded_to_milli())
