"""What a write to SQLite reads: its own rows, however many others there are. Counted in SQLite's steps, not in time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.storage.keys import draft
from chalicelib.storage.sqlite.file import SqliteFile
from chalicelib.storage.sqlite.write import read_plan, store
from chalicelib.storage.write import Write

OBJECTS = 1000


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SqliteFile]:
    """Yield a file with many objects."""
    file = SqliteFile(tmp_path / "store.db")
    with file.transaction() as connection:
        for first in range(0, OBJECTS, 100):
            writes = [created(number) for number in range(first, first + 100)]
            plan = read_plan(connection, [tuple(writes)])
            plan.decide(tuple(writes))
            store(connection, plan, at=0)
    yield file
    file.close()


def key(number: int) -> str:
    """Return an object's key."""
    return f"/registry/pods/default/p{number}"


def created(number: int) -> Write:
    """Return the write that makes an object."""
    return Write("ADDED", key(number), draft({"metadata": {"uid": f"uid-{number}"}}))


def steps(file: SqliteFile, write: Write) -> int:
    """Return how many steps of its virtual machine SQLite takes to read what a write needs, in hundreds."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    with file.transaction() as connection:
        connection.set_progress_handler(count, 100)
        plan = read_plan(connection, [(write,)])
        connection.set_progress_handler(None, 0)
    assert set(plan.living) <= {write.key}
    return counted


@pytest.mark.parametrize(
    "write",
    [
        created(OBJECTS),
        Write("MODIFIED", key(1), draft({"metadata": {"uid": "uid-1"}}), 2),
        Write("DELETED", key(1), None, 2),
    ],
    ids=lambda write: write.type,
)
def test_a_write_does_not_read_all_objects(file: SqliteFile, write: Write) -> None:
    assert steps(file, write) < OBJECTS / 100
