"""RFC 3339 times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.apimachinery.rules import time

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def test_time_is_cut_to_seconds_and_shown_in_utc() -> None:
    berlin = MOMENT.astimezone(timezone(timedelta(hours=1)))

    assert time.format_time(berlin) == "2026-01-02T03:04:05Z"


def test_micro_time_keeps_six_digits() -> None:
    assert time.format_micro_time(MOMENT.replace(microsecond=7)) == "2026-01-02T03:04:05.000007Z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05Z", MOMENT.replace(microsecond=0)),
        ("2026-01-02T03:04:05.678901999Z", MOMENT),
        ("2026-01-02T05:04:05.678901+02:00", MOMENT),
        ("2026-01-01T22:34:05.678901-04:30", MOMENT),
    ],
)
def test_parse_reads_fractions_and_offsets(text: str, expected: datetime) -> None:
    assert time.parse_time(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026-01-02", "2026-01-02T03:04:05", "2026-02-30T03:04:05Z", "2026-01-02T03:04:60Z",
     "2026-01-02t03:04:05z", "2026-01-02T03:04:05+24:00", "0001-01-01T00:00:00+01:00",
     "٢٠26-01-02T03:04:05Z"],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        time.parse_time(text)


@pytest.mark.parametrize("value", [None, "", "broken", 7, {}])
def test_find_time_gives_none_for_what_is_no_time(value: object) -> None:
    assert time.find_time(value) is None


@given(st.datetimes(min_value=datetime(1, 1, 2), timezones=st.just(UTC)))
def test_micro_times_come_back(moment: datetime) -> None:
    assert time.parse_time(time.format_micro_time(moment)) == moment


@pytest.mark.parametrize("seconds", [2**63 - 1, 99_999_999_999_999.0])
def test_the_calendar_ends_what_a_client_may_ask_for(seconds: float) -> None:
    assert time.after(MOMENT, 60) == MOMENT + timedelta(minutes=1)
    assert time.after(MOMENT, seconds).year == 9999
    assert time.after(MOMENT, -seconds).year == 1


@given(st.text())
def test_parse_never_crashes(text: str) -> None:
    assert time.find_time(text) is None or time.parse_time(text).tzinfo is UTC
