"""Asks Azure for news: one list a poll, and single groups and logs within bounds."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from chalicelib.providers.base import Observer, ProviderError, TaskState

if TYPE_CHECKING:
    from chalicelib.providers.azure.provider import AzureProvider, Pace

LOG = logging.getLogger(__name__)

# Of a poll. With a poll each 2 seconds that is a tenth of what ARM lets a subscription read.
GROUPS_AT_ONCE, LOGS_AT_ONCE = 20, 10


class Poller:
    """A thread that reports each change once."""

    def __init__(self, provider: AzureProvider, pace: Pace, observe: Observer, closed: threading.Event) -> None:
        self._provider, self._pace, self._observe, self._closed = provider, pace, observe, closed
        self._reported: dict[str, int] = {}  # versions by handle
        self._waiting: deque[str] = deque()  # handles of which lists do not tell enough, the longest asked first
        self._logs: dict[tuple[str, str], float] = {}  # when each was looked at
        self._thread = threading.Thread(target=self._run, name="azure-poller", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end, which the event asks for."""
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._poll()
            except ProviderError as error:
                LOG.info("azure: no news: %s", error)
            except Exception:  # whatever an observer raises: the next poll tells it again
                LOG.exception("azure: a poll has failed")
            self._closed.wait(self._pace.poll)

    def _poll(self) -> None:
        found, untold = self._provider.poll()
        there = {*(each.handle for each in found), *untold}
        kept = [each for each in self._waiting if each in untold]
        self._waiting = deque([*kept, *(each for each in untold if each not in kept)])
        some = [self._waiting.popleft() for _ in range(min(GROUPS_AT_ONCE, len(self._waiting)))]
        self._waiting.extend(some)
        for handle in some:  # one by one: describe would ask for a list again
            try:
                found += self._provider.describe([handle])
            except ProviderError as error:  # of this group: news of others are told all the same
                LOG.info("azure: no news of %s: %s", handle, error)
        for state in found:
            if self._reported.get(state.handle, -1) < state.version:
                self._observe(state)
                self._reported[state.handle] = state.version
        self._reported = {handle: version for handle, version in self._reported.items() if handle in there}
        self._keep_logs(found)

    def _keep_logs(self, found: list[TaskState]) -> None:
        now = time.monotonic()
        running = {
            (state.handle, each.name): self._logs.get((state.handle, each.name), 0.0)
            for state in found
            for each in state.containers
            if state.phase == "running" and each.phase == "running"
        }
        due = sorted(
            (key for key, looked in running.items() if now - looked >= self._pace.log), key=running.__getitem__
        )
        self._logs = running
        for key in due[:LOGS_AT_ONCE]:
            self._logs[key] = now
            self._provider.keep_log(*key)  # one that cannot be read has its turn again, after the others
