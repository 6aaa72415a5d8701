"""Spans of time as kubectl and docker take them: 90s, 10m, 1h30m, or seconds."""

from __future__ import annotations

import re
from math import ceil
from typing import Any

import click

SPAN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")
SECONDS = (86400, 3600, 60, 1)


class TimeSpan(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions of click only
    """A span of time, in whole seconds, rounded up."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds."""
        if isinstance(value, int):
            return value
        found = SPAN.fullmatch(value)
        if not value or found is None:
            self.fail(f"{value!r} is no span of time: write 90s, 10m or 1h30m.", param, ctx)
        return ceil(sum(float(number or 0) * unit for number, unit in zip(found.groups(), SECONDS, strict=True)))
