"""EventBridge between ECS and the function: at least once, in about the right order, or as badly as a test wants.

EventBridge User Guide, "How EventBridge retries delivering events"; Lambda Developer Guide, "Asynchronous invocation":
an event whose function fails is sent twice more.
"""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tests.aws_box.lambda_function import FunctionError

WORKERS = 3
TRIES = 3


@dataclass(slots=True)
class Trouble:
    """How badly events travel: the chances that one is dropped or doubled, and the longest delay of each."""

    drop: float = 0.0
    double: float = 0.0
    delay_seconds: float = 0.0


class EventBus:
    """Brings events to a function, each after its delay."""

    def __init__(self, invoke: Callable[[Any], object], *, seed: int = 0, workers: int = WORKERS) -> None:
        self.trouble = Trouble()
        self.delivered = 0
        self.dropped = 0
        self._under_way = 0
        self._invoke = invoke
        self._random = random.Random(seed)
        self._numbers = itertools.count()
        self._waiting: list[tuple[float, int, Any]] = []
        self._changed = threading.Condition()
        self._closed = False
        self._workers = ThreadPoolExecutor(workers)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def send(self, event: Any) -> None:
        """Take an event to deliver, or not."""
        with self._changed:
            if self._random.random() < self.trouble.drop:
                self.dropped += 1
                return
            copies = 2 if self._random.random() < self.trouble.double else 1
            self._under_way += copies
            for _ in range(copies):
                due = time.monotonic() + self._random.uniform(0, self.trouble.delay_seconds)
                heapq.heappush(self._waiting, (due, next(self._numbers), event))
            self._changed.notify()

    def close(self) -> None:
        """Stop; what is under way ends."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        self._workers.shutdown(cancel_futures=True)

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                wait = self._waiting[0][0] - time.monotonic() if self._waiting else None
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                    continue
                event = heapq.heappop(self._waiting)[2]
            self._workers.submit(self._deliver, event)

    @property
    def is_idle(self) -> bool:
        """Return whether every event was delivered, or given up."""
        with self._changed:
            return self._under_way == 0

    def _deliver(self, event: Any) -> None:
        try:
            for _ in range(TRIES):
                try:
                    self._invoke(event)
                except FunctionError:
                    continue
                self.delivered += 1
                return
        finally:
            with self._changed:
                self._under_way -= 1
