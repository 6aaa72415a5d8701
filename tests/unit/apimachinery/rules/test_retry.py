"""What lost a race is repeated, but not for ever."""

from __future__ import annotations

import pytest

from chalicelib.apimachinery.rules.retry import retried


class _Calls:
    """Raises the errors one after another, then returns how often it was called."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.count = 0

    def __call__(self) -> int:
        self.count += 1
        if self._errors:
            raise self._errors.pop(0)
        return self.count


def test_a_lost_race_is_run_again() -> None:
    calls = _Calls(KeyError("a"), KeyError("b"))

    assert retried(calls, on=KeyError, attempts=3) == 3


def test_the_last_error_is_raised() -> None:
    calls = _Calls(KeyError("a"), KeyError("b"), KeyError("c"))

    with pytest.raises(KeyError, match="b"):
        retried(calls, on=KeyError, attempts=2)

    assert calls.count == 2


def test_other_errors_are_raised_at_once() -> None:
    calls = _Calls(ValueError("other"))

    with pytest.raises(ValueError, match="other"):
        retried(calls, on=KeyError, attempts=5)

    assert calls.count == 1
