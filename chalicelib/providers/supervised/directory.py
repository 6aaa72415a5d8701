"""One task's directory: where everything of it lies, its records, its locks, its end.

Within it:

    intent.json  state.json  stop.json  control     records and requests, see `records`
    volumes/<volume>/        files and scratch space
    containers/<name>/work   where a container starts
    containers/<name>/input  where its standard input comes from
    logs/<name>/<n>.log      output of the container's n-th run, rotated to .log.1 and on
    bin/                     programs that an image would have
    hosts                    what the task's containers see at /etc/hosts
    tmp                      a link to the task's temporary files, see make_scratch()
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import pwd
import re
import select
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from chalicelib.private_folder import make_private
from chalicelib.providers.supervised.records import (
    CONTROL_FIFO,
    INPUT_FIFO,
    INPUT_LEFT,
    INTENT_FILE,
    RESTART_FILE,
    STATE_FILE,
    STOP_FILE,
    SUPERVISOR_LOCK,
    TASK_LOCK,
    VARIABLES_FIFO,
    VARIABLES_FILE,
    Record,
    RestartRequest,
    StopRequest,
    read_json,
    write_json,
)

CLAIM_PAUSE_SECONDS = 0.002
VARIABLES_SECONDS = 5.0  # a supervisor answers in milliseconds, on a busy machine later
PIECE_BYTES = 64 * 1024
TEMPORARY = Path("/tmp")
SCRATCH_PREFIX = "sparkanywhere-"
SCRATCH_LINK = "tmp"
HOSTS_FILE = "hosts"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


def handle_of(uid: str) -> str:
    """Return the handle of the task with this uid: the uid itself if it can name a file."""
    return uid if _PLAIN.fullmatch(uid) else hashlib.sha256(uid.encode()).hexdigest()


def java_data() -> Path:
    """Return where every Java of this user keeps a file about itself, named by its process id, whatever TMPDIR says."""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # Java keeps none then
        user = str(os.geteuid())
    return TEMPORARY / f"hsperfdata_{user}"


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

    @property
    def scratch(self) -> Path:
        """Return the directory for the task's temporary files, which is not below this one.

        Its path is short: programs make sockets in there, whose paths must stay below some 100 bytes.
        """
        digest = hashlib.sha256(str(self.path).encode()).hexdigest()[:12]
        return TEMPORARY / f"{SCRATCH_PREFIX}{digest}"

    def make_scratch(self) -> None:
        """Make the directory for temporary files and remember it. Raises OSError if others have it."""
        make_private(self.scratch)
        if self.scratch.is_symlink() or self.scratch.stat().st_uid != os.getuid():
            raise PermissionError(errno.EPERM, "belongs to another user", str(self.scratch))
        with contextlib.suppress(FileExistsError):
            (self.path / SCRATCH_LINK).symlink_to(self.scratch)
        self.java_data.mkdir(mode=0o700, exist_ok=True)
        with contextlib.suppress(OSError):
            java_data().mkdir(mode=0o755, exist_ok=True)

    @property
    def java_data(self) -> Path:
        """Return what the task's containers see at java_data(): in namespaces of their own, process ids recur."""
        return self.scratch / "hsperfdata"

    @property
    def hosts(self) -> Path:
        """Return the file that the task's containers see at /etc/hosts."""
        return self.path / HOSTS_FILE

    def program(self, name: str) -> Path:
        """Return where a program that we provide to the task's containers lies."""
        return self.path / "bin" / name

    def log(self, container: str, run: int) -> Path:
        """Return the file that holds the newest output of a container's run, counted from 0."""
        return self.path / "logs" / container / f"{run}.log"

    @contextlib.contextmanager
    def locked(self, *, make: bool = False) -> Iterator[None]:
        """Keep every other thread and process from preparing, repairing or removing this task.

        Raises FileNotFoundError where there is no directory, unless it is to be made.
        """
        path = self.path / TASK_LOCK
        while True:  # ends: each turn another process removed the directory meanwhile
            if make:
                make_private(self.path)
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            except FileNotFoundError:
                if not make:
                    raise
                continue
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    break
            os.close(descriptor)
        try:
            yield
        finally:
            os.close(descriptor)

    def claim(self, patience_seconds: float, *, unless: Callable[[], bool] = lambda: False) -> int | None:
        """Return a descriptor that holds the right to run the task, None if somebody keeps it that long.

        The right goes to the supervisor with the descriptor: even while that is on its way, and when we
        are killed meanwhile, nobody else gets it. Whoever has it either begins the task or lets it go,
        so waiting ends; it ends at once where `unless` comes true. Only under the lock. Raises OSError.
        """
        descriptor = os.open(self.path / SUPERVISOR_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + patience_seconds
        while not unless():
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    break
                time.sleep(CLAIM_PAUSE_SECONDS)
            else:
                return descriptor
        os.close(descriptor)
        return None

    def has_supervisor(self) -> bool:
        """Return whether a supervisor has this task, or one is about to get it."""
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

    def is_orphaned(self) -> bool:
        """Return whether a supervisor took this task on and is gone. Its last record may be about to be read."""
        return self.begun() and not self.has_supervisor()

    def clear(self) -> None:
        """Remove what an earlier, unfinished preparation left. Only under the lock, before any supervisor."""
        for name in ("volumes", "containers", "logs", "bin"):
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
        self._wake()

    def request_restart(self, container: str, request: RestartRequest) -> None:
        """Leave a wish to restart a container and wake the supervisor, if there is one. Raises OSError."""
        write_json(str(self.path / RESTART_FILE.format(container)), request)
        self._wake()

    def input(self, container: str) -> Path:
        """Return the FIFO that a container's standard input comes from; it is there if the container has one."""
        return self.path / "containers" / container / INPUT_FIFO

    def leave_input(self, container: str) -> None:
        """Say that somebody who fed a container has left. Raises OSError."""
        self.input(container).with_name(INPUT_LEFT).touch(mode=0o600)
        self._wake()

    def variables(self, container: str) -> dict[str, str]:
        """Return a container's variables, as its supervisor knows them. Raises TimeoutError, OSError."""
        fifo = self.path / VARIABLES_FIFO
        with self.locked():
            with contextlib.suppress(FileExistsError):
                os.mkfifo(fifo, 0o600)
            descriptor = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
            try:
                write_json(str(self.path / VARIABLES_FILE), {"container": container})
                self._wake()
                told = b""
                while not told.endswith(b"\n"):
                    if not select.select([descriptor], [], [], VARIABLES_SECONDS)[0]:
                        raise TimeoutError("the supervisor does not answer")
                    told += os.read(descriptor, PIECE_BYTES)
            finally:
                os.close(descriptor)
                fifo.unlink()
        found: dict[str, str] = json.loads(told)
        return found

    def _wake(self) -> None:
        try:
            descriptor = os.open(self.path / CONTROL_FIFO, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in (errno.ENXIO, errno.ENOENT):  # no supervisor, or none yet: it will look
                return
            raise
        with contextlib.suppress(BlockingIOError):  # full of earlier wake-ups
            os.write(descriptor, b"!")
        os.close(descriptor)

    def remove(self, patience_seconds: float) -> bool:
        """Remove everything, unless a supervisor keeps the task: then return False. Only under the lock."""
        descriptor = self.claim(patience_seconds)
        if descriptor is None:
            return False
        try:
            self.discard()
        finally:
            os.close(descriptor)
        return True

    def discard(self) -> None:
        """Remove everything; only with the claim. A crash on the way leaves a hidden rest, see leftovers."""
        rest = self.path.with_name(f".{self.handle}.removed.{os.getpid()}")
        os.replace(self.path, rest)
        remove_tree(rest)


def remove_tree(path: Path) -> None:
    """Remove a task's directory and its temporary files, also where the task took away its own right to."""
    with contextlib.suppress(OSError):
        scratch = Path(os.readlink(path / SCRATCH_LINK))
        if scratch.name.startswith(SCRATCH_PREFIX):
            remove_tree(scratch)
    for parent, _, _ in os.walk(path):
        with contextlib.suppress(OSError):
            os.chmod(parent, 0o700)
    shutil.rmtree(path, ignore_errors=True)
