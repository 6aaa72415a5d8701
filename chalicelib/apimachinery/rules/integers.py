"""Whole numbers out of texts of any length, as Go's strconv parses them; int() refuses more than 4,300 digits."""

from __future__ import annotations

import re

_INTEGER = re.compile(r"([+-]?)([0-9]+)")
_MOST_DIGITS = 20  # of any 64-bit number
_INT64, _UINT64 = 1 << 63, 1 << 64


def parse_int64(text: str) -> int | None:
    """Return the number that strconv.ParseInt(text, 10, 64) gives, None where it fails."""
    number = _parse(text)
    return number if number is not None and -_INT64 <= number < _INT64 else None


def parse_uint64(text: str) -> int | None:
    """Return the number that strconv.ParseUint(text, 10, 64) gives, None where it fails."""
    number = _parse(text) if text[:1] not in ("+", "-") else None
    return number if number is not None and number < _UINT64 else None


def is_integer(text: str) -> bool:
    """Return whether a text is a whole number of any size."""
    return bool(_INTEGER.fullmatch(text))


def _parse(text: str) -> int | None:
    match = _INTEGER.fullmatch(text)
    digits = match[2].lstrip("0") or "0" if match else ""
    return int(match[1] + digits) if match and len(digits) <= _MOST_DIGITS else None
