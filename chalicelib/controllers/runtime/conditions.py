"""The conditions in an object's status, as controllers set them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from chalicelib.apimachinery.rules.time import format_time
from chalicelib.apimachinery.types import JSON


def with_condition(conditions: Iterable[JSON], wanted: JSON, now: datetime, *more_times: str) -> list[JSON]:
    """Return the conditions with this one; one whose status is there already stays as it is.

    It gets lastTransitionTime, and the times named in `more_times`.
    """
    made = {**wanted, **dict.fromkeys((*more_times, "lastTransitionTime"), format_time(now))}
    found = list(conditions)
    for index, each in enumerate(found):
        if each["type"] == wanted["type"]:
            if each["status"] != wanted["status"]:
                found[index] = made
            return found
    return [*found, made]
