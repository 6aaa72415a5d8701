"""Writes of several threads in one transaction: each gets its own result, and only who is to blame an error."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from chalicelib.storage.base import TRANSACTION_WRITES, Change, KeyExists, StorageUnavailable, StoredObject
from chalicelib.storage.shared_commits import SharedCommits
from tests.memory_storage import MemoryStorage
from tests.waiting import until

THREADS = 3 * TRANSACTION_WRITES


def new(name: str) -> Change:
    """Return the write of a new ConfigMap."""
    return Change("ADDED", f"/registry/configmaps/ns/{name}", {"metadata": {"name": name, "uid": name}})


class Held:
    """A store whose first transaction waits, so that further writes come together behind it."""

    def __init__(self) -> None:
        self.storage = MemoryStorage()
        self.sizes: list[int] = []
        self.error: Exception | None = None
        self._go = threading.Event()
        self.commits = SharedCommits(self._transact)

    def _transact(self, changes: Sequence[Change]) -> Sequence[StoredObject]:
        self.sizes.append(len(changes))
        assert self._go.wait(30)
        if self.error:
            raise self.error
        return self.storage.transact(changes)

    def write(self, *writes: Sequence[Change]) -> list[Future[Sequence[StoredObject]]]:
        """Have each of these written by a thread of its own, after a first one; return what becomes of them."""
        threads = ThreadPoolExecutor(len(writes) + 1)
        found = [threads.submit(self.commits, [new("first")])]
        until(lambda: bool(self.sizes), "the first transaction")
        found += [threads.submit(self.commits, each) for each in writes]
        until(lambda: self.commits.queue_length == len(writes), "all to wait")
        self._go.set()
        threads.shutdown()
        return found[1:]


def test_those_that_wait_go_together_and_each_gets_its_own() -> None:
    held = Held()

    results = held.write(*[[new(f"c-{number}")] for number in range(THREADS)])

    assert [each.result()[0].key.rpartition("/")[2] for each in results] == [f"c-{n}" for n in range(THREADS)]
    assert sum(held.sizes) == THREADS + 1
    assert len(held.sizes) == 1 + THREADS / TRANSACTION_WRITES
    assert max(held.sizes) == TRANSACTION_WRITES


def test_only_the_one_that_is_refused_fails() -> None:
    held = Held()

    good, bad, last = held.write([new("good")], [new("first")], [new("last")])

    assert isinstance(bad.exception(), KeyExists)
    assert good.result()[0].key.endswith("/good")
    assert last.result()[0].key.endswith("/last")


def test_two_writes_of_one_key_are_not_put_together() -> None:
    held = Held()

    results = held.write([new("same")], [new("same"), new("other")], [new("third")])

    failed = [each for each in results if each.exception()]
    assert len(failed) == 1
    assert isinstance(failed[0].exception(), KeyExists)


def test_a_store_that_takes_nothing_tells_all_of_them() -> None:
    held = Held()
    held.error = StorageUnavailable("throttled")

    results = held.write([new("a")], [new("b")])

    assert [type(each.exception()) for each in results] == [StorageUnavailable] * 2


def test_a_write_that_is_alone_is_written_as_it_is() -> None:
    commits = SharedCommits(MemoryStorage().transact)

    assert [each.key for each in commits([new("a"), new("b")])] == [new("a").key, new("b").key]
    with pytest.raises(KeyExists):
        commits([new("a")])
