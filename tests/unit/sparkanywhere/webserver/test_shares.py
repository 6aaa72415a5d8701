"""What there is only so much of."""

from __future__ import annotations

from sparkanywhere.webserver.shares import Shares


def test_nobody_takes_more_than_his_share_and_all_together_not_more_than_there_is() -> None:
    shares = Shares(10, each=6)

    assert [shares.take("a", 6), shares.take("a"), shares.take("b", 5), shares.take("b", 4)] == [
        True,
        False,
        False,
        True,
    ]


def test_what_is_given_back_can_be_taken_again() -> None:
    shares = Shares(1, each=1)
    assert shares.take("a")
    assert not shares.take("b")

    shares.give("a")

    assert shares.take("b")
