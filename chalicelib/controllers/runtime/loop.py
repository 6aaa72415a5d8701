"""ResyncLoop: does the periodic chores, from one thread of the local control plane or all at once on Lambda."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LOG = logging.getLogger(__name__)

TICK_SECONDS = 1.0  # what is due may come so much later


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to do every so often; the first time at once, or after a whole period."""

    name: str
    every_seconds: float
    do: Callable[[], None]
    at_start: bool = True


class ResyncLoop:
    """Does each chore in its turn until close(). A chore that fails is logged and comes again."""

    def __init__(self, chores: Sequence[Chore], *, tick_seconds: float = TICK_SECONDS) -> None:
        self._chores = chores
        self._tick_seconds = tick_seconds
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin. May be called once."""
        self._thread = threading.Thread(target=self._serve, name="resync", daemon=True)
        self._thread.start()

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Ask the thread to end and wait for it, at most for the timeout. May be repeated."""
        self._closed.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_seconds)

    def run_all(self) -> None:
        """Do every chore once, whatever its period; one that fails is logged and keeps no other from its turn."""
        for chore in self._chores:
            _run(chore)

    def run_due(self, due_at: dict[str, float], now: float) -> None:
        """Do the chores that are due at `now` and set when they are next; an unknown one is new."""
        for chore in self._chores:
            if chore.name not in due_at:
                due_at[chore.name] = now if chore.at_start else now + chore.every_seconds
            if now < due_at[chore.name] or self._closed.is_set():
                continue
            _run(chore)
            due_at[chore.name] = now + chore.every_seconds

    def _serve(self) -> None:
        due_at: dict[str, float] = {}
        while not self._closed.is_set():
            self.run_due(due_at, time.monotonic())
            self._closed.wait(self._tick_seconds)


def _run(chore: Chore) -> None:
    try:
        chore.do()
    except Exception:  # the edge of the thread: one bad chore must not end the others
        LOG.exception("chore failed name=%s", chore.name)
