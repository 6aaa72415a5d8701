"""Waiting in tests: for a condition, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS = 30.0  # generous: machines are busy; a test that passes never gets near it
PAUSE_SECONDS = 0.01


def until(condition: Callable[[], bool], what: str, *, seconds: float = SECONDS) -> None:
    """Return once `condition` holds. Raises AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for: {what}"
        time.sleep(PAUSE_SECONDS)
