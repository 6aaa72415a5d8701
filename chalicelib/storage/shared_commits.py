"""SharedCommits: writes of several threads in one transaction, where each transaction is a round trip that all pay."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from chalicelib.storage.base import TRANSACTION_WRITES, Change, StorageError, StoredObject

Transact = Callable[[Sequence[Change]], Sequence[StoredObject]]  # as Storage.transact


class _Commit:
    """What one thread wants written, and what becomes of it."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self.changes = changes
        self.result: Future[Sequence[StoredObject]] = Future()


class SharedCommits:
    """A Storage.transact: whoever waits while another thread commits goes with the next one. Safe from many threads."""

    def __init__(self, transact: Transact) -> None:
        self._transact = transact
        self._waiting: list[_Commit] = []
        self._guard = threading.Lock()
        self._turn = threading.Lock()

    def __call__(self, changes: Sequence[Change]) -> Sequence[StoredObject]:
        """Do all of these writes or none, perhaps with other threads'; return and raise as Storage.transact does."""
        own = _Commit(changes)
        with self._guard:
            self._waiting.append(own)
        while not own.result.done():
            with self._turn:
                if not own.result.done():
                    self._commit(self._taken())
        return own.result.result()

    def _taken(self) -> list[_Commit]:
        """Take from those that wait, in their order, what one transaction holds: distinct keys, and not too many."""
        with self._guard:
            taken, self._waiting = self._waiting[:1], self._waiting[1:]
            keys = {each.key for each in taken[0].changes}
            left = []
            for commit in self._waiting:
                more = {each.key for each in commit.changes}
                if keys & more or len(keys) + len(more) > TRANSACTION_WRITES:
                    left.append(commit)
                else:
                    taken.append(commit)
                    keys |= more
            self._waiting = left
            return taken

    def _commit(self, commits: Sequence[_Commit]) -> None:
        """Write these together; if that is refused, each alone, for only one of them may be to blame."""
        try:
            stored = self._transact([change for each in commits for change in each.changes])
        except (StorageError, ValueError) as error:
            if len(commits) == 1:
                commits[0].result.set_exception(error)
            else:
                for each in commits:
                    self._commit([each])
            return
        except BaseException as error:
            for each in commits:
                each.result.set_exception(error)
            raise
        for each in commits:
            each.result.set_result(stored[: len(each.changes)])
            stored = stored[len(each.changes) :]
