"""RFC 3339 times as Kubernetes writes them: whole seconds (Time) and microseconds (MicroTime), always UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:(Z)|([+-])(\d\d):(\d\d))", re.ASCII)


def format_time(moment: datetime) -> str:
    """Return an aware time as `2026-01-02T03:04:05Z`; parts of a second are cut off."""
    return _text(moment, "seconds")


def format_micro_time(moment: datetime) -> str:
    """Return an aware time as `2026-01-02T03:04:05.678901Z` (leases, events)."""
    return _text(moment, "microseconds")


def _text(moment: datetime, unit: str) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=unit) + "Z"


def parse_time(text: str) -> datetime:
    """Return the aware UTC time of an RFC 3339 text, fractions cut to microseconds.

    Raises ValueError for anything else, leap seconds and offsets of a day included.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    *calendar, fraction, _, sign, hours, minutes = match.groups()
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    moment = datetime(*map(int, calendar), micros, tzinfo=UTC)  # type: ignore[misc,arg-type]  # six numbers
    if sign is None:
        return moment
    if int(hours) > 23 or int(minutes) > 59:
        raise ValueError(f"no such offset: {text!r}")
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    try:
        return moment - offset if sign == "+" else moment + offset
    except OverflowError:
        raise ValueError(f"out of range: {text!r}") from None


def after(moment: datetime, seconds: float) -> datetime:
    """Return the time so many seconds after `moment`, before it if negative, within what a datetime can hold.

    A client may send any int64 for a number of seconds, and the years of a datetime end with 9999.
    """
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return (datetime.max if seconds > 0 else datetime.min).replace(tzinfo=UTC)


def find_time(text: object) -> datetime | None:
    """Return the time of a field that may be absent, null, empty or broken; None for those."""
    if not isinstance(text, str) or not text:
        return None
    try:
        return parse_time(text)
    except ValueError:
        return None
