"""One user cannot take what is everybody's."""

from __future__ import annotations

import pytest

from chalicelib.apimachinery.status import StatusError
from chalicelib.endpoints.limits import Limits, UserLimits


class Monotonic:
    """Seconds that pass by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_requests_beyond_the_rate_are_refused_until_time_has_passed() -> None:
    seconds = Monotonic()
    limits = Limits(UserLimits(requests_per_second=5), monotonic=seconds)
    for _ in range(10):
        limits.request("ana")

    with pytest.raises(StatusError) as caught:
        limits.request("ana")
    limits.request("bob")
    seconds.now = 0.2

    assert (caught.value.code, caught.value.retry_after_seconds) == (429, 1)
    limits.request("ana")


def test_a_watch_beyond_the_limit_is_refused_until_another_ends() -> None:
    limits = Limits(UserLimits(watches=1))
    first = limits.watch("ana", iter([b"a"]))
    with pytest.raises(StatusError) as caught:
        limits.watch("ana", iter([b""]))
    assert caught.value.code == 429

    assert list(first) == [b"a"]

    limits.watch("ana", iter([b""])).close()


def test_a_watch_that_is_closed_before_its_first_piece_counts_no_more() -> None:
    limits = Limits(UserLimits(watches=1))

    for _ in range(3):
        limits.watch("ana", iter([b"a"])).close()

    assert list(limits.watch("ana", iter([b"b"]))) == [b"b"]
