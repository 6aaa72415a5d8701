"""Repeat what lost a race."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


def retried(attempt: Callable[[], T], *, on: type[Exception], attempts: int) -> T:
    """Return what `attempt` returns, calling it anew while it raises `on`; the last call's error is raised."""
    for _ in range(attempts - 1):
        with suppress(on):
            return attempt()
    return attempt()
