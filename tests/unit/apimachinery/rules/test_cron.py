"""Schedules, compared with recorded answers of the library that Kubernetes uses."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from chalicelib.apimachinery.rules.cron import parse_schedule

ROWS = json.loads((Path(__file__).parents[3] / "data" / "cron" / "robfig.json").read_text(encoding="utf-8"))["rows"]
START = datetime(2026, 3, 1, 12, 30, 30, tzinfo=UTC)


def _next_times(text: str, zone: str, moment: datetime) -> list[str] | str:
    """Return the next four times, or why there are none."""
    try:
        schedule = parse_schedule(text, ZoneInfo(zone))
    except ValueError as error:
        return str(error)
    found: list[str] = []
    while len(found) < 4 and (following := schedule.next(moment)) is not None:
        moment = following
        found.append(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return found


def test_every_recorded_schedule_is_read_and_followed_alike() -> None:
    wrong = [
        (text, zone, moment, recorded, ours)
        for text, zone, moment, recorded in ROWS
        if (ours := _next_times(text, zone, datetime.fromisoformat(moment))) != recorded
    ]

    assert len(ROWS) > 300
    assert wrong == []


@pytest.mark.parametrize("text", ["* * * * *", "*/7 3-5 * * *", "0 0 29 2 *", "@hourly", "@every 90s", "30 2 * * mon"])
@pytest.mark.parametrize("seconds", [0, 59, 3600, 86_400, 30 * 86_400])
def test_the_latest_time_is_the_last_of_the_next_ones(text: str, seconds: int) -> None:
    schedule, until = parse_schedule(text, ZoneInfo("America/New_York")), START + timedelta(seconds=seconds)
    expected, following = None, schedule.next(START)
    while following is not None and following <= until:
        expected, following = following, schedule.next(following)

    assert schedule.latest(START, until) == expected


def test_a_day_whose_midnight_the_clock_skips_is_not_skipped() -> None:
    schedule = parse_schedule("30 9 * * *", ZoneInfo("Africa/Cairo"))

    found = schedule.next(datetime(2026, 4, 23, 21, tzinfo=UTC))

    assert found == datetime(2026, 4, 24, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["@every 9999999h", "@every 1x", "@every", "@every 5m ", "0 0 L * *", "0 0 * * 7"])
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_schedule(text)
