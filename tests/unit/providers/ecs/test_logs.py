"""A log is read to its end, which is a token that stays and not a page that is empty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib.providers.base import LogOptions
from chalicelib.providers.ecs.logs import EMPTY_PAGES, read_log


class Pages:
    """A stream in pages, each of some lines; a token is the number of the next."""

    class exceptions:
        """The error of a stream that is not there."""

        ResourceNotFoundException = KeyError

    def __init__(self, pages: Sequence[Sequence[str]]) -> None:
        self._pages = pages
        self.calls = 0

    def get_log_events(self, **asked: Any) -> dict[str, Any]:
        """Return the page that the token asks for, at the end the same token again."""
        self.calls += 1
        place = int(asked.get("nextToken", 0))
        lines = self._pages[place] if place < len(self._pages) else []
        events = [{"timestamp": 0, "message": line} for line in lines]
        return {"events": events, "nextForwardToken": str(min(place + 1, len(self._pages)))}


def read(pages: Pages, options: LogOptions | None = None) -> list[bytes]:
    return list(
        read_log(pages, "group", "stream", options or LogOptions(), lambda: True, sleep=lambda _s: None)
    )


def test_an_empty_page_does_not_end_a_log() -> None:
    assert read(Pages([["a"], [], [], ["b", "c"], []])) == [b"a\n", b"b\n", b"c\n"]


def test_a_log_that_begins_with_an_empty_page_is_read() -> None:
    assert read(Pages([[], ["a"]])) == [b"a\n"]


def test_empty_pages_without_end_are_given_up() -> None:
    pages = Pages([[]] * (5 * EMPTY_PAGES))

    assert read(pages) == []
    assert pages.calls == EMPTY_PAGES


def test_the_last_lines_are_those_behind_empty_pages_too() -> None:
    assert read(Pages([["a", "b"], [], ["c"]]), LogOptions(tail_lines=2)) == [b"b\n", b"c\n"]


def test_following_goes_on_where_reading_has_ended() -> None:
    assert read(Pages([["a"], [], ["b"]]), LogOptions(follow=True))[:2] == [b"a\n", b"b\n"]
