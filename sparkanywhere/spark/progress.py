"""Progress of long work: one small record, and a printer for people and for logs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

LINE_SECONDS = 5.0  # between two lines of one step in a log: seen to live, not flooded
REDRAW_SECONDS = 0.1  # between two draws of one step on a terminal: smooth to the eye


@dataclass(frozen=True, slots=True)
class Step:
    """A named piece of work and how much of it is done: bytes, or 0 of 0 if not known."""

    name: str
    done_bytes: int = 0
    total_bytes: int = 0


Progress = Callable[[Step], None]


def silent(_step: Step) -> None:
    """Show nothing."""


class StepPrinter:
    """Show steps on a stream: one line redrawn on a terminal, else a line now and then."""

    def __init__(self, stream: TextIO = sys.stderr, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._redraws = stream.isatty()
        self.has_shown = False
        self._name = self._text = ""
        self._drawn_at = 0.0

    def __call__(self, step: Step) -> None:
        """Show the step, unless the same one was shown a moment ago."""
        now = self._clock()
        pause = REDRAW_SECONDS if self._redraws else LINE_SECONDS
        text = sentence(step)
        if step.name == self._name and (now - self._drawn_at < pause or text == self._text):
            return
        if self._redraws and self._name not in ("", step.name):
            self._stream.write("\n")
        self._name, self._text, self._drawn_at = step.name, text, now
        self.has_shown = True
        self._stream.write(f"\r\x1b[K{text}" if self._redraws else f"{text}\n")
        self._stream.flush()

    def close(self) -> None:
        """End the line being redrawn, if there is one."""
        if self._redraws and self._name:
            self._stream.write("\n")
        self._name = ""


def sentence(step: Step) -> str:
    """Return the step in words, such as `Downloading: 120 of 456 MB`."""
    if not step.done_bytes and not step.total_bytes:
        return step.name
    done = step.done_bytes // 1_000_000
    if not step.total_bytes:
        return f"{step.name}: {done} MB"
    return f"{step.name}: {done} of {max(step.total_bytes // 1_000_000, done)} MB"
