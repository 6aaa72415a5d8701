"""Virtual time: what is to happen, one piece after the other, in an order that a seed decides. No thread, no sleep."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from tests.unit.controllers.builders import NOW, Clock

Work = Callable[[], object]


class Violation(BaseException):
    """An invariant does not hold; no `except Exception` of the code under test may catch this."""


@dataclass(order=True, slots=True)
class _Item:
    at: datetime
    turn: float  # drawn: which of several that are due at once is first
    work: Work = field(compare=False)
    owner: object = field(compare=False)


class Timeline:
    """A clock of whole seconds, as Kubernetes' times are, and what is due when.

    An item may have an owner, a process: none of a process's items is done in the middle of another one of its own.
    """

    def __init__(self, draw: Random) -> None:
        self.clock = Clock()
        self.trace: list[str] = []
        self._draw = draw
        self._items: list[_Item] = []
        self._busy: list[object] = []

    def monotonic(self) -> float:
        """Return the seconds since the beginning."""
        return (self.clock.now - NOW).total_seconds()

    def note(self, words: str) -> None:
        """Write a line of the trace."""
        self.trace.append(f"{self.monotonic():7.0f} {'  ' * len(self._busy)}{words}")

    def after(self, seconds: int, work: Work, *, owner: object = None) -> None:
        """Have something done so many seconds from now."""
        heapq.heappush(
            self._items, _Item(self.clock.now + timedelta(seconds=seconds), self._draw.random(), work, owner)
        )

    def is_busy(self, owner: object) -> bool:
        """Return whether a process is in the middle of something."""
        return any(each is owner for each in self._busy)

    @contextmanager
    def busy(self, owner: object) -> Iterator[None]:
        """Say that a process is in the middle of something."""
        self._busy.append(owner)
        try:
            yield
        finally:
            self._busy.pop()

    def run(self, seconds: int) -> None:
        """Let so much time pass, and do what is due meanwhile, but for what is of busy processes."""
        end, put_off = self.clock.now + timedelta(seconds=seconds), list[_Item]()
        try:
            while self._items and self._items[0].at <= max(end, self.clock.now):
                item = heapq.heappop(self._items)
                if self.is_busy(item.owner):
                    put_off.append(item)
                    continue
                self.clock.now = max(self.clock.now, item.at)
                item.work()
        finally:
            for each in put_off:
                heapq.heappush(self._items, each)
        self.clock.now = max(self.clock.now, end)
