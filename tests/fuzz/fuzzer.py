"""Sends drawn requests to a control plane and fails at what no request may do: a 5xx, an error logged, a stall."""

from __future__ import annotations

import logging
import time
import traceback

from tests.api_client import ApiClient
from tests.fuzz.requests import Drawn
from tests.fuzz.widget import WIDGETS
from tests.unit.controllers.world import World

# What a recorded real server answers by 500.
KNOWN_500 = ("strconv.ParseUint", "resourceVersion should not be set", "failed to create typed patch object")
STALL_SECONDS = 20.0  # a thousand times what most take: the machine may be busy
CHORES_EVERY = 300  # requests


class _Faults(logging.Handler):
    """Keeps the exceptions that were logged, for nobody was there to answer them."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record if it tells of an exception."""
        if record.exc_info:
            self.found.append("".join(traceback.format_exception(*record.exc_info)))


class Fuzzer:
    """Sends requests to a world, lets its controllers work, and fails at what no request may do."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.api = ApiClient(world.plane)
        self.sent = 0
        self.api.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", WIDGETS)

    def send(self, drawn: Drawn) -> int:
        """Send one request; return its status. Raises AssertionError for a fault of the server, in any of its parts."""
        faults = _Faults()
        loggers = [logging.getLogger(name) for name in ("chalicelib", "sparkanywhere")]
        for each in loggers:
            each.addHandler(faults)
        began = time.process_time()
        try:
            answer = self.api.request(
                drawn.method, drawn.url, drawn.body, content_type=drawn.content_type, headers={"accept": drawn.accept}
            )
            self.sent += 1
            if self.sent % CHORES_EVERY == 0:
                self.world.run_chores()
        finally:
            for each in loggers:
                each.removeHandler(faults)
        shown = f"{drawn}: {answer.status} {answer.raw[:2000]!r}"
        known = answer.status == 500 and any(word.encode() in answer.raw for word in KNOWN_500)
        assert answer.status < 500 or known, "\n".join([shown, *faults.found])
        assert not faults.found, "\n".join([shown, *faults.found])
        assert time.process_time() - began < STALL_SECONDS, f"{time.process_time() - began:.1f} s for {shown}"
        return answer.status
