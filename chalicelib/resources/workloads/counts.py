"""Counts that may be a number or a percentage (int-or-string), and what may be wrong with them.

Compare ValidatePositiveIntOrPercent in kubernetes/pkg/apis/apps/validation, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.rules.causes import invalid
from chalicelib.apimachinery.rules.integers import parse_int64
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.resources.shared.formats import NOT_NEGATIVE, is_percent

NOT_A_PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%',"
    " regex used for validation is '[0-9]+%')"
)


def count_causes(count: int | str, at: str) -> Iterator[Cause]:
    """Yield why `count` is neither a number from zero on nor a percentage."""
    if isinstance(count, str):
        if not is_percent(count):
            yield invalid(at, count, NOT_A_PERCENT)
    elif count < 0:
        yield invalid(at, count, NOT_NEGATIVE)


def percent_causes(count: int | str, at: str) -> Iterator[Cause]:
    """Yield a cause for more than 100 per cent."""
    if isinstance(count, str) and is_percent(count):
        number = parse_int64(count[:-1])
        if number is None or number > 100:
            yield invalid(at, count, "must not be greater than 100%")


def not_negative_causes(number: int | None, at: str) -> Iterator[Cause]:
    """Yield a cause for a number below zero; none at all is right."""
    if number is not None and number < 0:
        yield invalid(at, number, NOT_NEGATIVE)
