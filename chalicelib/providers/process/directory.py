"""One task's directory: where everything of it lies, its records, its locks, its end.

intent.json  state.json  stop.json  control     records and requests, see `records`
volumes/<volume>/        files and scratch space
containers/<name>/       work (working directory), tmp
logs/<name>/<n>.log      output of the container's n-th run, rotated to .log.1 and on
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from chalicelib.providers.process.records import (
    CONTROL_FIFO,
    INTENT_FILE,
    STATE_FILE,
    STOP_FILE,
    SUPERVISOR_LOCK,
    TASK_LOCK,
    Record,
    StopRequest,
    read_json,
    write_json,
)

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


def handle_of(uid: str) -> str:
    """Return the handle of the task with this uid: the uid itself if it can name a file."""
    return uid if _PLAIN.fullmatch(uid) else hashlib.sha256(uid.encode()).hexdigest()


class TaskDirectory:
    """The directory of the task `handle` below `tasks`. Nothing is created until prepare()."""

    def __init__(self, tasks: Path, handle: str) -> None:
        self.handle = handle
        self.path = tasks / handle

    def exists(self) -> bool:
        """Return whether a task has been prepared here and not been removed."""
        return (self.path / INTENT_FILE).exists()

    def volume(self, name: str) -> Path:
        """Return where a volume of the task's own lies."""
        return self.path / "volumes" / name

    def work(self, container: str) -> Path:
        """Return the directory that a container starts in by default."""
        return self.path / "containers" / container / "work"

    def scratch(self, container: str) -> Path:
        """Return the directory for a container's temporary files."""
        return self.path / "containers" / container / "tmp"

    def log(self, container: str, run: int) -> Path:
        """Return the file that holds the newest output of a container's run, counted from 0."""
        return self.path / "logs" / container / f"{run}.log"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other thread and process from preparing, repairing or removing this task."""
        descriptor = self._lock_file()
        try:
            yield
        finally:
            os.close(descriptor)

    def _lock_file(self) -> int:
        path = self.path / TASK_LOCK
        while True:  # ends: each turn another process removed the directory meanwhile
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            except FileNotFoundError:
                continue
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
            os.close(descriptor)

    def has_supervisor(self) -> bool:
        """Return whether a supervisor lives that has this task."""
        try:
            descriptor = os.open(self.path / SUPERVISOR_LOCK, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def clear(self) -> None:
        """Remove what an earlier, unfinished preparation left. Only under the lock, before any supervisor."""
        for name in ("volumes", "containers", "logs"):
            shutil.rmtree(self.path / name, ignore_errors=True)

    def begun(self) -> bool:
        """Return whether a supervisor ever took this task on."""
        return (self.path / STATE_FILE).exists()

    def record(self) -> Record | None:
        """Return the latest record, None if there is no such task."""
        state: Record | None = read_json(str(self.path / STATE_FILE))
        intent: Record | None = state or read_json(str(self.path / INTENT_FILE))
        return intent

    def write_intent(self, record: Record) -> None:
        """Write the first record. Raises OSError."""
        write_json(str(self.path / INTENT_FILE), record)

    def write_state(self, record: Record) -> None:
        """Write the latest record. Only where no supervisor lives. Raises OSError."""
        write_json(str(self.path / STATE_FILE), record)

    def request_stop(self, request: StopRequest) -> None:
        """Leave a wish to stop and wake the supervisor, if there is one. Raises OSError."""
        write_json(str(self.path / STOP_FILE), request)
        try:
            descriptor = os.open(self.path / CONTROL_FIFO, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in (errno.ENXIO, errno.ENOENT):  # no supervisor, or none yet: it will look
                return
            raise
        with contextlib.suppress(BlockingIOError):  # full of earlier wake-ups
            os.write(descriptor, b"!")
        os.close(descriptor)

    def remove(self) -> bool:
        """Remove everything, unless a supervisor lives: then return False. Only under the lock.

        A supervisor that comes late finds its lock gone and gives up. A crash on the way leaves
        a hidden rest, see sweep().
        """
        descriptor = os.open(self.path / SUPERVISOR_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            rest = self.path.with_name(f".{self.handle}.removed.{os.getpid()}")
            os.replace(self.path, rest)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        remove_tree(rest)
        return True


def remove_tree(path: Path) -> None:
    """Remove a directory, also where a task took away its own right to write in a part of it."""
    for parent, _, _ in os.walk(path):
        with contextlib.suppress(OSError):
            os.chmod(parent, 0o700)
    shutil.rmtree(path, ignore_errors=True)


def sweep(tasks: Path) -> None:
    """Remove what removals that crashed half-way have left."""
    for rest in tasks.glob(".*.removed.*"):
        remove_tree(rest)
