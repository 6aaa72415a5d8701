"""Writers share a commit, and none is left waiting."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.storage.group_commit import GroupCommit

SECONDS = 30
BATCH_WRITES = 64


class Ledger:
    """Commits numbers; the first batch waits until it is told to go on."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.has_begun = threading.Event()
        self.may_go_on = threading.Event()

    def commit(self, requests: Sequence[int]) -> Sequence[str]:
        """Take a batch in; -1 stands for a bug or an interrupt in the midst."""
        self.batches.append(list(requests))
        self.has_begun.set()
        assert self.may_go_on.wait(SECONDS)
        if -1 in requests:
            raise KeyboardInterrupt
        return [f"done {request}" for request in requests]


def wait_for_queue(commits: GroupCommit[int, str], length: int) -> None:
    deadline = threading.Event()
    for _ in range(SECONDS * 100):
        if commits.queue_length == length:
            return
        deadline.wait(0.01)
    raise AssertionError("the queue never got that long")


def test_a_lone_write_is_committed_at_once() -> None:
    ledger = Ledger()
    ledger.may_go_on.set()

    assert GroupCommit(ledger.commit, most=BATCH_WRITES, failed=lambda: "failed").write(7) == "done 7"


def test_writes_that_wait_are_committed_together() -> None:
    ledger = Ledger()
    commits = GroupCommit(ledger.commit, most=BATCH_WRITES, failed=lambda: "failed")

    with ThreadPoolExecutor(BATCH_WRITES + 10) as pool:
        written = [pool.submit(commits.write, 0)]
        assert ledger.has_begun.wait(SECONDS)
        written += [pool.submit(commits.write, n) for n in range(1, BATCH_WRITES + 4)]
        wait_for_queue(commits, BATCH_WRITES + 3)
        ledger.may_go_on.set()
        outcomes = [future.result(SECONDS) for future in written]

    assert outcomes == [f"done {n}" for n in range(BATCH_WRITES + 4)]
    assert [len(batch) for batch in ledger.batches] == [1, BATCH_WRITES, 3]


def test_an_interrupted_leader_leaves_nobody_waiting() -> None:
    ledger = Ledger()
    commits = GroupCommit(ledger.commit, most=BATCH_WRITES, failed=lambda: "failed")

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(commits.write, 0)
        assert ledger.has_begun.wait(SECONDS)
        leader = pool.submit(commits.write, -1)
        wait_for_queue(commits, 1)
        follower = pool.submit(commits.write, 2)
        wait_for_queue(commits, 2)
        ledger.may_go_on.set()

        assert first.result(SECONDS) == "done 0"
        with pytest.raises(KeyboardInterrupt):
            leader.result(SECONDS)
        assert follower.result(SECONDS) == "failed"
    assert commits.write(3) == "done 3"
