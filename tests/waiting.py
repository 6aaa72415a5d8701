"""Waiting in tests: for a condition, with a deadline; and what is done meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 60.0  # generous: machines are busy; a test that passes never gets near it
# The pause between two looks grows with the time waited: what comes at once is seen at once, and what takes long
# (a JVM that starts, say) has the processor to itself in the meantime.
SHORTEST_PAUSE_SECONDS = 0.005
LONGEST_PAUSE_SECONDS = 0.25
PAUSE_SHARE = 0.1  # of the time waited so far


def until(condition: Callable[[], bool], what: str, *, seconds: float = SECONDS) -> None:
    """Return once `condition` holds. Raises AssertionError after `seconds`."""
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        assert waited < seconds, f"waited {seconds:g} s for: {what}"
        time.sleep(min(max(waited * PAUSE_SHARE, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS))


@contextmanager
def in_thread(work: Callable[[], None], over: threading.Event) -> Iterator[None]:
    """Do something meanwhile that ends when it is `over`."""
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
