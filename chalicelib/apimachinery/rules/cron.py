"""Schedules of CronJobs: five fields or a descriptor, as github.com/robfig/cron v3 reads and follows them.

That library is kube-controller-manager's (v1.36). Cron libraries for Python take more than it does (`L`, `#`, 7 for
Sunday) and follow daylight saving time otherwise: here a time that a clock skips is skipped, and one that it shows
twice comes twice. Reference: pkg.go.dev/github.com/robfig/cron/v3, "CRON Expression Format".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol

YEARS = 5  # how far ahead a next time is looked for: Feb 29 comes at least that often until 2096
MAX_DAYS = YEARS * 366
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
EVERY = "@every "
MAX_DURATION_SECONDS = 2**63 / 1e9  # of Go, some 292 years
# Possessive, so that a long number without a unit is read once.
_GO_PART = re.compile(r"(\d++(?:\.\d*+)?|\.\d++)(ns|us|µs|μs|ms|s|m|h)")
_GO_DURATION = re.compile(rf"[+-]?(?:{_GO_PART.pattern})+")
_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class Schedule(Protocol):
    """When something is due, again and again. Times are aware; parts of a second are cut off."""

    def next(self, after: datetime) -> datetime | None:
        """Return the first time after a moment; None if there is none within years."""
        ...

    def latest(self, after: datetime, until: datetime) -> datetime | None:
        """Return the last time after the one moment and not after the other, None if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Interval:
    """`@every`: so long after the time before."""

    span: timedelta

    def next(self, after: datetime) -> datetime:
        """Return the moment one interval later."""
        return after.replace(microsecond=0) + self.span

    def latest(self, after: datetime, until: datetime) -> datetime | None:
        """Return the last of the moments that follow `after`."""
        count = (until - after.replace(microsecond=0)) // self.span
        return after.replace(microsecond=0) + count * self.span if count > 0 else None


@dataclass(frozen=True, slots=True)
class Calendar:
    """Minutes, hours, days and months of a time zone."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # 0 is Sunday
    any_day: bool  # one of the two fields of days is a star: then both must fit, else either does
    zone: tzinfo

    def next(self, after: datetime) -> datetime | None:
        """Return the first time after a moment."""
        moment = after.astimezone(UTC).replace(second=0, microsecond=0) + MINUTE
        days = 0
        while days < MAX_DAYS:
            local = moment.astimezone(self.zone)
            if not self._has_day(local):
                # In days of the calendar, and at least an hour on where a clock is set back at midnight.
                midnight = (local.replace(tzinfo=None, hour=0, minute=0) + DAY).replace(tzinfo=self.zone)
                moment = max(midnight.astimezone(UTC), moment + MINUTE)
                days += 1
            elif local.hour not in self.hours:
                moment += (60 - local.minute) * MINUTE
            elif local.minute not in self.minutes:
                moment += MINUTE
            else:
                return moment
        return None

    def latest(self, after: datetime, until: datetime) -> datetime | None:
        """Return the last time in between, looked for in ever longer spans before `until`."""
        span = MINUTE
        while (found := self.next(max(after, until - span))) is None or found > until:
            if until - span <= after:
                return None
            span *= 2
        while (later := self.next(found)) is not None and later <= until:
            found = later
        return found

    def _has_day(self, local: datetime) -> bool:
        if local.month not in self.months:
            return False
        day, weekday = local.day in self.days, local.isoweekday() % 7 in self.weekdays
        return (day and weekday) if self.any_day else (day or weekday)


def parse_schedule(text: str, zone: tzinfo = UTC) -> Schedule:
    """Return the schedule of a text. Raises ValueError with that library's words for what is wrong with it."""
    if not text:
        raise ValueError("empty spec string")
    if text.startswith(EVERY):
        return Interval(_interval(text))
    if text.startswith("@") and text not in DESCRIPTORS:
        raise ValueError(f"unrecognized descriptor: {text}")
    fields = DESCRIPTORS.get(text, text).split()
    if len(fields) != 5:
        raise ValueError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    minutes, _ = _field(fields[0], 0, 59)
    hours, _ = _field(fields[1], 0, 23)
    days, any_date = _field(fields[2], 1, 31)
    months, _ = _field(fields[3], 1, 12, {name: number for number, name in enumerate(MONTHS, 1)})
    weekdays, any_weekday = _field(fields[4], 0, 6, {name: number for number, name in enumerate(DAYS)})
    return Calendar(minutes, hours, days, months, weekdays, any_date or any_weekday, zone)


def _interval(text: str) -> timedelta:
    """Return the span of `@every`: a Go duration, at least a second, in whole seconds."""
    given = text.removeprefix(EVERY)
    parts = _GO_PART.findall(given) if _GO_DURATION.fullmatch(given) else []
    seconds = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)
    if not (parts or given == "0") or seconds >= MAX_DURATION_SECONDS:
        raise ValueError(f'failed to parse duration {text}: time: invalid duration "{given}"')
    return timedelta(seconds=1 if given.startswith("-") else max(1, int(round(seconds, 9))))


def _field(text: str, low: int, high: int, names: dict[str, int] | None = None) -> tuple[frozenset[int], bool]:
    """Return the numbers of a field, and whether it is a star (with no step)."""
    numbers: set[int] = set()
    is_star = False
    for part in filter(None, text.split(",")):
        found, star = _range(part, low, high, names or {})
        numbers.update(found)
        is_star = is_star or star
    return frozenset(numbers), is_star


def _range(text: str, low: int, high: int, names: dict[str, int]) -> tuple[range, bool]:
    ends, *steps = text.split("/")
    first, *lasts = ends.split("-")
    is_star = first in ("*", "?")
    if is_star:
        start, end = low, high
    elif len(lasts) > 1:
        raise ValueError(f"too many hyphens: {text}")
    else:
        start, end = (_number(each, names) for each in (first, lasts[0] if lasts else first))
    if len(steps) > 1:
        raise ValueError(f"too many slashes: {text}")
    step = _number(steps[0], {}) if steps else 1
    if steps and not lasts:
        end = high  # "5/10" means from 5 on
    for wrong, why in _bounds(start, end, step, low, high):
        if wrong:
            raise ValueError(f"{why}: {text}")
    return range(start, end + 1, step), is_star and step == 1


def _bounds(start: int, end: int, step: int, low: int, high: int) -> Iterator[tuple[bool, str]]:
    yield start < low, f"beginning of range ({start}) below minimum ({low})"
    yield end > high, f"end of range ({end}) above maximum ({high})"
    yield start > end, f"beginning of range ({start}) beyond end of range ({end})"
    yield step == 0, "step of range should be a positive number"


def _number(text: str, names: dict[str, int]) -> int:
    if (named := names.get(text.lower())) is not None:
        return named
    if not re.fullmatch(r"[+-]?[0-9]+", text, re.ASCII):
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if len(text.lstrip("+-0")) > 18:
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": value out of range')
    if int(text) < 0:
        raise ValueError(f"negative number ({int(text)}) not allowed: {text}")
    return int(text)
