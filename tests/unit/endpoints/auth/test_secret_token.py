"""The administrator's token is read when one is shown, kept for a while, and never guessed at."""

from __future__ import annotations

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.endpoints.auth.aws_tokens import KEEP_SECONDS, RETRY_SECONDS, SecretToken
from chalicelib.endpoints.auth.callers import ADMIN
from chalicelib.secret_value import SecretUnreadable


class Keeper:
    """Keeps a token, or fails while it is empty; counts how often it is asked."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.asked = 0
        self.now = 100.0

    def read(self) -> str:
        self.asked += 1
        if not self.token:
            raise SecretUnreadable("AccessDeniedException")
        return self.token

    def authenticator(self) -> SecretToken:
        return SecretToken(ADMIN, self.read, monotonic=lambda: self.now)


def test_nothing_is_read_before_a_token_is_shown() -> None:
    keeper = Keeper("right")

    keeper.authenticator()

    assert keeper.asked == 0


def test_the_right_token_is_the_administrators_and_no_other() -> None:
    tokens = Keeper("right").authenticator()

    assert tokens.find_user("right") == ADMIN
    assert tokens.find_user("wrong") is None
    assert tokens.find_user("") is None


def test_it_is_read_once_for_many_requests_and_again_after_a_while() -> None:
    keeper = Keeper("old")
    tokens = keeper.authenticator()
    assert [tokens.find_user("old"), tokens.find_user("wrong")] == [ADMIN, None]
    assert keeper.asked == 1

    keeper.token = "new"
    keeper.now += KEEP_SECONDS

    assert [tokens.find_user("old"), tokens.find_user("new")] == [None, ADMIN]
    assert keeper.asked == 2


def test_while_it_cannot_be_read_nobody_gets_in_and_aws_is_not_asked_each_time() -> None:
    keeper = Keeper("")
    tokens = keeper.authenticator()

    for _ in range(3):
        with pytest.raises(StatusError) as refused:
            tokens.find_user("")
        assert (refused.value.code, refused.value.retry_after_seconds) == (503, 1)
    assert keeper.asked == 1

    keeper.token = "right"
    keeper.now += RETRY_SECONDS
    assert tokens.find_user("right") == ADMIN
