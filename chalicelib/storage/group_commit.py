"""GroupCommit: writes of several threads in one commit, where each commit costs all of them a sync or a round trip."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Request = TypeVar("Request")
Outcome = TypeVar("Outcome")


class _Ticket(Generic[Request, Outcome]):
    """One write in the queue; `turn` is released when it is written, or is to lead."""

    __slots__ = ("outcome", "request", "turn")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.outcome: Outcome | None = None
        self.turn = threading.Lock()
        self.turn.acquire()


class GroupCommit(Generic[Request, Outcome]):
    """A queue of writes before one `commit`, which gets a batch and returns an outcome for each.

    `commit` is never run twice at a time, and gets the writes in their order of arrival, `most` of them. If it raises,
    the leader sees that, and `failed` says what the others in the batch get.
    """

    def __init__(
        self, commit: Callable[[Sequence[Request]], Sequence[Outcome]], *, most: int, failed: Callable[[], Outcome]
    ) -> None:
        self._commit = commit
        self._most = most
        self._failed = failed
        self._mutex = threading.Lock()
        self._queue: deque[_Ticket[Request, Outcome]] = deque()
        self._is_led = False

    @property
    def queue_length(self) -> int:
        """Return how many writes wait for the one under way."""
        return len(self._queue)

    def write(self, request: Request) -> Outcome:
        """Commit one request, together with others that wait; return its outcome."""
        ticket: _Ticket[Request, Outcome] = _Ticket(request)
        with self._mutex:
            self._queue.append(ticket)
            must_wait = self._is_led
            self._is_led = True
        if must_wait:
            ticket.turn.acquire()
        if ticket.outcome is None:
            self._lead()
        assert ticket.outcome is not None
        return ticket.outcome

    def _lead(self) -> None:
        with self._mutex:
            batch = [self._queue.popleft() for _ in range(min(self._most, len(self._queue)))]
        try:
            outcomes = self._commit([ticket.request for ticket in batch])
            for ticket, outcome in zip(batch, outcomes, strict=True):
                ticket.outcome = outcome
        finally:
            with self._mutex:
                successor = self._queue[0] if self._queue else None
                self._is_led = successor is not None
            for ticket in batch:
                if ticket.outcome is None:
                    ticket.outcome = self._failed()
                ticket.turn.release()
            if successor:
                successor.turn.release()
