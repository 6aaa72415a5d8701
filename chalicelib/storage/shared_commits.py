"""SharedCommits: writes of several threads in one transaction, where each transaction is a round trip that all pay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

from chalicelib.storage.base import TRANSACTION_WRITES, Change, StorageError, StorageUnavailable, StoredObject
from chalicelib.storage.group_commit import GroupCommit

Transact = Callable[[Sequence[Change]], Sequence[StoredObject]]  # as Storage.transact
Outcome = Sequence[StoredObject] | Exception
Numbered = list[tuple[int, Sequence[Change]]]  # what each thread wants written, by its place in the batch


class SharedCommits:
    """A Storage.transact: whoever waits while another thread commits goes with the next one. Safe from many threads."""

    def __init__(self, transact: Transact) -> None:
        self._transact = transact
        self._commits: GroupCommit[Sequence[Change], Outcome] = GroupCommit(
            self._commit,
            most=TRANSACTION_WRITES,
            failed=lambda: StorageUnavailable("the write was interrupted, and may have been stored"),
        )

    @property
    def queue_length(self) -> int:
        """Return how many threads wait for the one that commits."""
        return self._commits.queue_length

    def __call__(self, changes: Sequence[Change]) -> Sequence[StoredObject]:
        """Do all of these writes or none, perhaps with other threads'; return and raise as Storage.transact does."""
        outcome = self._commits.write(changes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _commit(self, batch: Sequence[Sequence[Change]]) -> Sequence[Outcome]:
        outcomes: dict[int, Outcome] = {}
        left = list(enumerate(batch))
        while left:
            together, left = _divided(left)
            outcomes |= self._written(together)
        return [outcomes[number] for number in range(len(batch))]

    def _written(self, together: Numbered) -> dict[int, Outcome]:
        """Write these together; if that is refused, each alone, for only one of them may be to blame."""
        try:
            stored = iter(self._transact([change for _, changes in together for change in changes]))
        except (StorageError, ValueError) as error:
            if len(together) == 1:
                return {together[0][0]: error}
            return {number: outcome for each in together for number, outcome in self._written([each]).items()}
        return {number: list(islice(stored, len(changes))) for number, changes in together}


def _divided(waiting: Numbered) -> tuple[Numbered, Numbered]:
    """Return, in their order, what one transaction holds, distinct keys and not too many, and what is left."""
    taken, left, keys = list[tuple[int, Sequence[Change]]](), list[tuple[int, Sequence[Change]]](), set[str]()
    for number, changes in waiting:
        more = {each.key for each in changes}
        if taken and (keys & more or len(keys) + len(more) > TRANSACTION_WRITES):
            left.append((number, changes))
        else:
            taken.append((number, changes))
            keys |= more
    return taken, left
