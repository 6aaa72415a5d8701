"""How long an answer to a wrong token is held back."""

from __future__ import annotations

from sparkanywhere.local.wrong_tokens import FREE, MOST_SECONDS, STEP_SECONDS, WrongTokens


def test_the_first_are_free_then_each_takes_longer_up_to_a_limit() -> None:
    wrong = WrongTokens(monotonic=lambda: 0.0)

    waits = [wrong.count("a") for _ in range(FREE + 100)]

    assert waits[:FREE] == [0.0] * FREE
    assert waits[FREE : FREE + 2] == [STEP_SECONDS, 2 * STEP_SECONDS]
    assert waits[-1] == MOST_SECONDS


def test_addresses_do_not_wait_for_one_another() -> None:
    wrong = WrongTokens(monotonic=lambda: 0.0)
    for _ in range(100):
        wrong.count("a")

    assert wrong.count("b") == 0.0


def test_they_are_forgotten() -> None:
    now = [0.0]
    wrong = WrongTokens(monotonic=lambda: now[0])
    for _ in range(100):
        wrong.count("a")

    now[0] = 1000.0

    assert wrong.count("a") == 0.0
