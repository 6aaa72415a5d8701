"""SQLite across processes: two that write, one that is killed, and one whose disk is full."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chalicelib.storage.base import WatchEvent
from chalicelib.storage.sqlite.storage import SqliteStorage
from tests.contract.storage_backends import pod, pod_key

PODS = "/registry/pods/"
THREADS = 4  # of the program
SECONDS = 60


def start_writer(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.contract.storage_writer", str(path), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def read_lines(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout
    return [process.stdout.readline().strip() for _ in range(count)]


def check_integrity(path: Path) -> None:
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_two_processes_write_one_history(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    storage = SqliteStorage(path)
    start = storage.revision()
    writes = 2 * THREADS * 2 * 25

    writers = [start_writer(path, name, 25) for name in ("one", "two")]
    events: list[WatchEvent] = []
    revision, deadline = start, time.monotonic() + SECONDS
    while len(events) < writes and time.monotonic() < deadline:
        batch = storage.events_after(PODS, revision)
        events += batch.events
        revision = batch.revision
        if not batch.events:
            storage.wait(revision, 5, PODS)
    lines = [line for writer in writers for line in writer.communicate(timeout=SECONDS)[0].split()]

    assert [event.revision for event in events] == list(range(start + 1, start + writes + 1))
    assert sorted(lines) == [stored.key for stored in storage.list(PODS).items]
    assert {writer.returncode for writer in writers} == {0}
    storage.close()
    check_integrity(path)


@pytest.mark.parametrize("round_", range(3))
def test_what_a_killed_process_acknowledged_is_there(tmp_path: Path, round_: int) -> None:
    path = tmp_path / "store.db"
    writer = start_writer(path, "killed", 100_000)
    acknowledged = read_lines(writer, 50 + random.Random(round_).randrange(100))

    writer.send_signal(signal.SIGKILL)
    acknowledged += writer.communicate(timeout=SECONDS)[0].split()

    storage = SqliteStorage(path)
    stored = {item.key: item.object() for item in storage.list(PODS).items}
    assert all(stored[key]["status"] == {"phase": "Running"} for key in acknowledged)
    events = storage.events_after(PODS, 1, limit=1_000_000).events
    assert [event.revision for event in events] == list(range(2, storage.revision() + 1))
    again = storage.create(pod_key("again"), pod("again"))
    assert again.revision == len(events) + 2
    storage.close()
    check_integrity(path)


def test_a_process_whose_files_may_not_grow_recovers(tmp_path: Path) -> None:
    # The limit stands for a full disk without needing one: the kernel refuses to extend the log.
    program = """
import resource, sys
from chalicelib.storage.base import StorageUnavailable
from chalicelib.storage.base import WatchEvent
from chalicelib.storage.sqlite.storage import SqliteStorage
storage = SqliteStorage(sys.argv[1])
big = {"metadata": {"uid": "big"}, "text": "x" * 400_000}
storage.create("/registry/pods/a/before", {"metadata": {"uid": "before"}})
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
try:
    storage.create("/registry/pods/a/big", big)
except StorageUnavailable as error:
    print(error)
print(storage.get("/registry/pods/a/before").revision, storage.revision())
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(storage.create("/registry/pods/a/big", big).revision)
"""
    path = tmp_path / "store.db"

    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=SECONDS, check=True
    )

    refusal, revisions, after = done.stdout.splitlines()
    assert refusal.startswith(f"the store {path} ")
    assert (revisions, after) == ("2 2", "3")
    check_integrity(path)
