"""The SQLite file under the store: commits, snapshots, and what goes wrong with disks and locks."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from chalicelib.storage.base import StorageUnavailable
from chalicelib.storage.sqlite.file import SCHEMA_VERSION, SqliteFile
from chalicelib.storage.sqlite.storage import SqliteStorage


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SqliteFile]:
    """Yield a new file whose locks are not waited for."""
    file = SqliteFile(tmp_path / "store.db", lock_seconds=0)
    yield file
    file.close()


def insert(connection: sqlite3.Connection, key: str, *, text: str = "{}") -> None:
    connection.execute("INSERT INTO history (at, type, key, json) VALUES (0, 'ADDED', ?, ?)", (key, text))


def fail_after_insert(connection: sqlite3.Connection) -> None:
    insert(connection, "a")
    connection.execute("SELECT * FROM nowhere")


def keys(file: SqliteFile) -> list[str]:
    with file.reader() as connection:
        return [key for (key,) in connection.execute("SELECT key FROM history ORDER BY revision")]


def test_each_commit_is_synced_to_disk(file: SqliteFile) -> None:
    full = 2

    with file.transaction() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (full,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_failed_transaction_leaves_nothing(file: SqliteFile) -> None:
    with pytest.raises(StorageUnavailable, match="no such table"), file.transaction() as connection:
        fail_after_insert(connection)

    assert keys(file) == []


def test_a_snapshot_stays_as_it_was(file: SqliteFile) -> None:
    with file.snapshot() as reader:
        before = reader.execute("SELECT count(*) FROM history").fetchone()
        with file.transaction() as writer:
            insert(writer, "a")

        assert reader.execute("SELECT count(*) FROM history").fetchone() == before
    assert keys(file) == ["a"]


def test_a_full_disk_is_reported_and_survived(file: SqliteFile) -> None:
    with file.transaction() as connection:
        insert(connection, "before")
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")

    with pytest.raises(StorageUnavailable, match="is on a full disk"), file.transaction() as connection:
        insert(connection, "too much", text="x" * 100_000)
    with file.transaction() as connection:
        insert(connection, "after")

    assert keys(file) == ["before", "after"]


def test_a_lock_that_stays_is_reported(file: SqliteFile, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StorageUnavailable, match="locked by another process"), file.transaction():
        pass
    assert keys(file) == []  # reading goes on
    other.execute("ROLLBACK")
    other.close()

    with file.transaction() as connection:
        insert(connection, "a")
    assert keys(file) == ["a"]


def test_another_kind_of_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be looked at\n" * 100)

    with pytest.raises(StorageUnavailable, match="not a SQLite database") as refused:
        SqliteFile(path)

    assert path.read_text().startswith("not a database")
    assert refused.value.__cause__ is not None  # whose traceback has the connection, which nobody else closes
    assert str(path) not in [each.path for each in psutil.Process().open_files()]


def test_a_damaged_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    storage = SqliteStorage(path)
    for n in range(50):
        storage.create(f"/registry/pods/a/{n}", {"metadata": {"uid": str(n)}, "text": "x" * 1000})
    storage.close()
    path.write_bytes(path.read_bytes()[:8192] + os.urandom(path.stat().st_size - 8192))

    with pytest.raises(StorageUnavailable, match="is damaged"):
        SqliteStorage(path)


def test_a_file_of_a_newer_release_is_left_alone(file: SqliteFile, tmp_path: Path) -> None:
    with file.transaction() as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")

    with pytest.raises(StorageUnavailable, match="newer release"):
        SqliteFile(tmp_path / "store.db")


def test_a_file_of_version_1_learns_its_labels(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    storage = SqliteStorage(path)
    labels = {"app": "x", "odd/name": 'a"b'}
    stored = storage.create("/registry/pods/a/b", {"metadata": {"uid": "u", "labels": labels}})
    storage.create("/registry/pods/a/c", {"metadata": {"uid": "v"}})
    storage.close()
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "DROP TABLE labelled; ALTER TABLE objects DROP COLUMN labels; PRAGMA user_version = 1;"
        )
    connection.close()

    storage = SqliteStorage(path)
    try:
        assert storage.list_labelled("/registry/pods/", labels).items == [stored]
        changed = storage.update(stored.key, {"metadata": {"uid": "u"}}, expected_revision=stored.revision)
        assert storage.list_labelled("/registry/pods/", {"app": "x"}).items == []
        assert storage.list("/registry/pods/a/").items[0] == changed
    finally:
        storage.close()


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="No such file or directory"):
        SqliteFile(tmp_path / "nowhere" / "store.db")


def test_a_closed_file_is_reported(file: SqliteFile) -> None:
    file.close()
    file.close()

    with pytest.raises(StorageUnavailable, match="closed"), file.reader():
        pass
    with pytest.raises(StorageUnavailable, match="closed"), file.transaction():
        pass


def test_no_other_user_may_read_the_file(file: SqliteFile, tmp_path: Path) -> None:
    with file.transaction() as connection:
        insert(connection, "a")

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}

    assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}


def test_expired_rows_are_deleted(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "store.db", clock=lambda: 0.0)
    stored = storage.create("/registry/pods/a/x", {"metadata": {"uid": "x"}})
    for n in range(1200):  # more than one transaction's worth
        stored = storage.update(stored.key, {"metadata": {"uid": "x"}, "n": n}, expected_revision=stored.revision)
    gone = storage.create("/registry/pods/a/y", {"metadata": {"uid": "y"}})
    storage.delete(gone.key, expected_revision=gone.revision)

    storage.expire_events(keep_seconds=-1)
    storage.close()

    file = SqliteFile(tmp_path / "store.db")
    assert keys(file) == ["/registry/pods/a/x"]
    file.close()


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE objects (x)")
    before = path.read_bytes()

    with pytest.raises(StorageUnavailable, match="another program's database"):
        SqliteFile(path)

    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("suffix", "is_replaced"), [("", False), ("-wal", False), ("-shm", False), ("", True), ("-shm", True)]
)
def test_nothing_is_written_into_a_file_that_was_removed_or_replaced(
    suffix: str, is_replaced: bool, tmp_path: Path
) -> None:
    path = tmp_path / "store.db"
    storage = SqliteStorage(path)
    storage.create("/registry/pods/a", {"metadata": {"uid": "a"}})
    lost = Path(f"{path}{suffix}")
    kept = lost.rename(tmp_path / "kept")
    if is_replaced:
        lost.touch()

    for write in (
        storage.probe,
        lambda: storage.create("/registry/pods/b", {"metadata": {"uid": "b"}}),
        lambda: storage.delete("/registry/pods/a", expected_revision=2),
        lambda: storage.expire_events(-1.0),
    ):
        with pytest.raises(StorageUnavailable, match="has been removed or replaced: start the server again"):
            write()
    kept.rename(lost)
    assert [each.key for each in storage.list("/").items] == ["/registry/pods/a"]
    storage.probe()
    storage.close()


def test_a_read_makes_no_file_where_one_was_removed(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    file = SqliteFile(path)
    path.unlink()

    with pytest.raises(StorageUnavailable, match="has been removed or replaced"), file.reader():
        pass

    assert not path.exists()
    file.close()


@pytest.mark.parametrize("round_number", range(10))
def test_several_may_open_a_new_store_at_once(round_number: int, tmp_path: Path) -> None:
    path, start = tmp_path / f"{round_number}.sqlite", threading.Barrier(4)

    def opened() -> SqliteFile:
        start.wait()
        return SqliteFile(path)

    with ThreadPoolExecutor(4) as threads:
        files = [future.result() for future in [threads.submit(opened) for _ in range(4)]]

    for each in files:
        each.close()
