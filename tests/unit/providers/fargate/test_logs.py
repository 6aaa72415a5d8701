"""A log is read to its end, which is a token that stays and not a page that is empty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from chalicelib.providers.base import LogOptions
from chalicelib.providers.fargate.logs import EMPTY_PAGES, read_log
from tests.unit.providers.fargate.fake_api import Refusal


class Pages:
    """A stream in pages, each of some lines; a token is a place between two of them."""

    class exceptions:
        """The error of a stream that is not there."""

        ResourceNotFoundException = KeyError

    def __init__(self, pages: Sequence[Sequence[str]]) -> None:
        self.pages = [list(page) for page in pages]
        self.asked: list[dict[str, Any]] = []

    def get_log_events(self, **asked: Any) -> dict[str, Any]:
        """Return the page behind a place, or before it; at the end the same token again."""
        self.asked.append(asked)
        end = len(self.pages)
        is_forward = asked["startFromHead"]
        place = int(asked.get("nextToken", 0 if is_forward else end))
        first, last = (place, min(place + 1, end)) if is_forward else (max(place - 1, 0), place)
        lines = [line for page in self.pages[first:last] for line in page]
        events = [{"timestamp": 0, "message": line} for line in lines]
        return {"events": events, "nextForwardToken": str(last), "nextBackwardToken": str(first)}


def read(pages: Pages, options: LogOptions | None = None) -> list[bytes]:
    return list(read_log(pages, "group", "stream", options or LogOptions(), lambda: True, sleep=lambda _s: None))


def test_an_empty_page_does_not_end_a_log() -> None:
    assert read(Pages([["a"], [], [], ["b", "c"], []])) == [b"a\n", b"b\n", b"c\n"]


def test_a_log_that_begins_with_an_empty_page_is_read() -> None:
    assert read(Pages([[], ["a"]])) == [b"a\n"]


def test_empty_pages_without_end_are_given_up() -> None:
    pages = Pages([[]] * (5 * EMPTY_PAGES))

    assert read(pages) == []
    assert len(pages.asked) == EMPTY_PAGES


def test_the_last_lines_are_those_behind_empty_pages_too() -> None:
    assert read(Pages([["a", "b"], [], ["c"]]), LogOptions(tail_lines=2)) == [b"b\n", b"c\n"]
    assert read(Pages([["a", "b"], ["c"]]), LogOptions(tail_lines=9)) == [b"a\n", b"b\n", b"c\n"]


def test_the_last_lines_of_a_long_log_are_read_from_its_end() -> None:
    pages = Pages([[f"{number}"] for number in range(1000)])

    assert read(pages, LogOptions(tail_lines=3)) == [b"997\n", b"998\n", b"999\n"]
    assert len(pages.asked) == 3
    assert {each["limit"] for each in pages.asked} == {3}


@pytest.mark.parametrize("tail", [0, 1])
def test_what_comes_behind_the_last_lines_is_followed(tail: int) -> None:
    pages = Pages([["a"], ["b"]])

    def sleep(_seconds: float) -> None:
        if len(pages.pages) == 2:
            pages.pages.append(["c"])

    options = LogOptions(follow=True, tail_lines=tail)
    followed = read_log(pages, "group", "stream", options, lambda: len(pages.pages) > 2, sleep=sleep)

    assert [line for line in followed if line] == [b"b\n", b"c\n"][1 - tail :]


def test_a_quiet_log_is_asked_for_seldom_and_one_that_goes_on_each_second() -> None:
    pages, pauses = Pages([["a"]]), list[float]()

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if 9 < len(pauses) < 20:
            pages.pages.append([f"line {len(pauses)}"])

    followed = read_log(pages, "g", "s", LogOptions(follow=True), lambda: len(pauses) > 20, sleep=sleep)
    list(followed)

    assert pauses[:5] == [1.5, 2.25, 3.375, 5.0, 5.0]
    assert pauses[10:20] == [1.0] * 10


def test_a_follower_that_is_throttled_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    pages, pauses = Pages([["a"]]), list[float]()
    get, refusals = pages.get_log_events, [5]

    def throttled(**asked: Any) -> dict[str, Any]:
        if pauses and refusals[0]:
            refusals[0] -= 1
            raise Refusal("ThrottlingException", "Rate exceeded")
        return get(**asked)

    monkeypatch.setattr(pages, "get_log_events", throttled)
    followed = read_log(pages, "g", "s", LogOptions(follow=True), lambda: True, sleep=pauses.append)

    assert [line for line in followed if line] == [b"a\n"]
    assert pauses == sorted(pauses)
    assert not refusals[0]


def test_following_goes_on_where_reading_has_ended() -> None:
    assert read(Pages([["a"], [], ["b"]]), LogOptions(follow=True))[:2] == [b"a\n", b"b\n"]


def test_all_output_is_stdout() -> None:
    assert read(Pages([["one"]]), LogOptions(stream="stdout")) == [b"one\n"]
    assert read(Pages([["one"]]), LogOptions(stream="stderr")) == []
