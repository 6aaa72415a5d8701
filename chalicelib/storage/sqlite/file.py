"""The SQLite file: its schema, its connections, and what its errors mean to a caller.

`history` is the event log: one row for each revision, holding the object as that write left
it and the revision it replaced; it is kept until it has expired *and* no longer is anybody's present or
previous state. `objects` says which revision of each living key is the present one, `owned`
what an object owns, and `labelled` what carries a label. So a write stores an object once, and a
read at an old revision finds what was there.

WAL lets readers go on while one writer commits (sqlite.org, "Write-Ahead Logging"; not for network file
systems).
"""

from __future__ import annotations

import os
import queue
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chalicelib.private_folder import locked
from chalicelib.storage.base import StorageUnavailable

SCHEMA_VERSION = 2
SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS history (
    revision INTEGER PRIMARY KEY,
    at REAL NOT NULL,       -- seconds since 1970, by the writer's clock
    type TEXT NOT NULL,     -- ADDED, MODIFIED or DELETED
    key TEXT NOT NULL,
    previous INTEGER,       -- the revision of the object before; NULL for ADDED
    json TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS objects (
    key TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    uid TEXT NOT NULL UNIQUE,
    owners TEXT NOT NULL,   -- a JSON list of uids: what `owned` says of this key
    labels TEXT NOT NULL    -- a JSON list of name=value: what `labelled` says of this key
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owned (
    owner TEXT NOT NULL,    -- a uid
    key TEXT NOT NULL,
    PRIMARY KEY (owner, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS labelled (
    label TEXT NOT NULL,    -- name=value
    key TEXT NOT NULL,
    PRIMARY KEY (label, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS store (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    compacted INTEGER NOT NULL  -- events up to this revision have expired
);
INSERT OR IGNORE INTO store VALUES (1, 1);
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""
# What version 2 has more than version 1, made of what is stored.
UPGRADE = f"""
BEGIN IMMEDIATE;
ALTER TABLE objects ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';
CREATE TABLE labelled (label TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (label, key)) WITHOUT ROWID;
UPDATE objects SET labels = (
    SELECT json_group_array(label.key || '=' || label.value)
    FROM history, json_each(history.json, '$.metadata.labels') AS label
    WHERE history.revision = objects.revision AND label.value IS NOT NULL
);
INSERT INTO labelled SELECT label.value, objects.key FROM objects, json_each(objects.labels) AS label;
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""
LOCK_SECONDS = 5.0  # another process's transaction takes milliseconds; longer means it hangs
READERS = 8  # reads take microseconds on few cores; more connections would only cost memory


class SqliteFile:
    """One file's connections: one for the writer, a few for readers."""

    def __init__(self, path: Path, *, lock_seconds: float = LOCK_SECONDS) -> None:
        self._path = path
        self._lock_seconds = lock_seconds
        self._is_closed = False
        self._writer_lock = threading.Lock()
        self._readers: queue.SimpleQueue[sqlite3.Connection | None] = queue.SimpleQueue()
        with translated(path):
            # Only this user may read it: it holds Secrets. SQLite gives the -wal and -shm files the same mode.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._writer = _connect(path, lock_seconds)
            try:
                with locked(path.parent):  # SQLite waits for nobody who makes a log of a new file as well
                    _prepare(self._writer, path)
                self._place = _place(path)
            except BaseException:
                self._writer.close()
                raise
        for _ in range(READERS):
            self._readers.put(None)  # opened when first needed

    @contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection; each statement sees the state of its own moment."""
        connection = self._readers.get()
        try:
            if self._is_closed:
                raise StorageUnavailable(f"the store {self._path} has been closed")
            with translated(self._path):
                if connection is None:
                    self._check_place()  # where there is no file, SQLite would make one
                    connection = _connect(self._path, self._lock_seconds)
                yield connection
        finally:
            self._readers.put(connection)

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection whose statements all see one state of the store."""
        with self.reader() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Lend the writing connection inside a transaction: on disk at the end, or undone.

        Raises StorageUnavailable also where the files have been removed or replaced, by others or a restored copy:
        SQLite would go on writing into those that nobody finds any more.
        """
        with self._writer_lock, translated(self._path):
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._check_place()
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close all connections, each as soon as it is given back. May be repeated."""
        self._is_closed = True
        with self._writer_lock:  # so that two who close do not share out the readers between them
            for _ in range(READERS):
                if connection := self._readers.get():
                    connection.close()
            for _ in range(READERS):
                self._readers.put(None)  # late callers meet _is_closed, and not an empty queue
            self._writer.close()

    def _check_place(self) -> None:
        try:
            if _place(self._path) == self._place:
                return
        except FileNotFoundError:
            pass
        raise StorageUnavailable(f"the store {self._path} has been removed or replaced: start the server again")


def _place(path: Path) -> list[tuple[int, int]]:
    """Return which files the store is in now; SQLite's own two are there as long as anybody has it open.

    Of the write-ahead log only that it is there: since Linux 6.13 (multigrain timestamps) the first write to a file
    after a stat() changes its inode, which made each commit a third slower.
    """
    if not os.access(f"{path}-wal", os.F_OK):
        raise FileNotFoundError(f"{path}-wal")
    found = [os.stat(f"{path}{suffix}") for suffix in ("", "-shm")]
    return [(each.st_dev, each.st_ino) for each in found]


_ADVICE = {
    sqlite3.SQLITE_FULL: "is on a full disk: make room, then try again",
    sqlite3.SQLITE_BUSY: "has been locked by another process for seconds: try again",
    sqlite3.SQLITE_CORRUPT: "is damaged: restore a copy, or move it away to start anew",
    sqlite3.SQLITE_NOTADB: "is not a SQLite database: name another file",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: does its folder exist, and may this user write there?",
    sqlite3.SQLITE_READONLY: "is read-only for this user",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk may be failing or full",
}
_PRIMARY_CODE = 0xFF  # extended result codes keep the primary one in their low byte


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into StorageUnavailable with a sentence that says what to do."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        code = getattr(error, "sqlite_errorcode", None)
        advice = None if code is None else _ADVICE.get(code & _PRIMARY_CODE)
        raise StorageUnavailable(f"the store {path} {advice or f'cannot be used: {error}'}") from error


def _connect(path: Path, lock_seconds: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=lock_seconds, isolation_level=None, check_same_thread=False, cached_statements=512
    )
    try:
        # FULL syncs the log at each commit: what was answered survives a power cut, not only a crash.
        connection.execute("PRAGMA synchronous=FULL")
    except BaseException:  # it may be no database
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise StorageUnavailable(
            f"the store {path} was written by a newer release (schema {version}, this one knows"
            f" {SCHEMA_VERSION}): use that release, or name another file"
        )
    if not version and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise StorageUnavailable(f"the store {path} is another program's database: name another file")
    connection.execute("PRAGMA journal_mode=WAL")
    if version < SCHEMA_VERSION:
        connection.executescript(UPGRADE if version else SCHEMA)
    connection.execute("SELECT compacted FROM store").fetchone()  # opens the write-ahead log
