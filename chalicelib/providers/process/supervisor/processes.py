"""Start a process, find all that came of it, know what memory it holds, and end it: fork, exec, /proc.

On Linux the supervisor adopts orphaned grandchildren (PR_SET_CHILD_SUBREAPER), so nothing that a container starts can
hide from it. Elsewhere only a container's own process group is known. Of memory is counted what nobody can take back
from a process, nearly what a control group would count: anonymous memory and what of it is swapped out; pages of files
are the system's to drop. Fields: man7.org, proc_pid_status(5) and proc_pid_smaps(5).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

# Options of prctl(2), from linux/prctl.h.
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

KILL_SECONDS = 5.0  # a killed process that is still there then hangs in the kernel: go on without it
KILL_PAUSE_SECONDS = 0.002
RESET_SIGNALS = (signal.SIGPIPE, signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGXFSZ)


_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None
LOOK_SECONDS = 1.0  # between two looks; what is taken and given back in between is never seen
FAMILY_SECONDS = 3.0  # between two searches for new processes, each of which reads the whole process table
KIB = 1024
MIB = 1024 * 1024


def prctl(option: int, value: int) -> None:
    """Set an option of this process; on systems without prctl, nothing."""
    if _LIBC is not None:
        _LIBC.prctl(option, value, 0, 0, 0)


class Process(NamedTuple):
    """One line of the process table."""

    pid: int
    parent: int
    session: int


def adopt_orphans() -> None:
    """Make this process the parent of every orphan among its descendants. Linux only, else nothing."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def spawn(argv: list[str], *, env: dict[str, str], cwd: str, output: int, no_new_privileges: bool) -> int:
    """Start a program in a session of its own, its output going to `output`; return its process id.

    Returns when the program runs. Raises OSError if it can't be started.
    """
    report, reporter = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(argv, env, cwd=cwd, output=output, reporter=reporter, parent=parent, locked=no_new_privileges)
    os.close(reporter)
    with os.fdopen(report, "rb") as pipe:
        failure = pipe.read()
    if failure:
        os.waitpid(pid, 0)
        number, _, what = failure.decode(errors="replace").partition(" ")
        raise OSError(int(number), what)
    return pid


def _become(
    argv: list[str], env: dict[str, str], *, cwd: str, output: int, reporter: int, parent: int, locked: bool
) -> None:
    """Turn this freshly forked process into the program; never returns."""
    try:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before it could matter to us
            os._exit(128 + signal.SIGKILL)
        if locked:
            prctl(PR_SET_NO_NEW_PRIVS, 1)
        for number in RESET_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        os.umask(0o022)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(cwd)
        os.execvpe(argv[0], argv, env)
    except OSError as error:
        os.write(reporter, f"{error.errno or 0} {error.strerror}: {error.filename or argv[0]}".encode())
    except ValueError as error:  # a zero byte within a word
        os.write(reporter, f"22 {error}: {argv[0]!r}".encode())
    finally:
        os._exit(128)


def processes() -> Iterator[Process]:
    """Yield the process table; nothing where there is no /proc."""
    try:
        names = os.listdir("/proc")
    except OSError:
        return
    for name in names:
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            if fields[0] != b"Z":
                yield Process(int(name), int(fields[1]), int(fields[3]))


def descendants(root: int) -> list[Process]:
    """Return all that came of the process `root`, without it."""
    table = list(processes())
    family = {root}
    found: list[Process] = []
    grew = True
    while grew:
        new = [process for process in table if process.parent in family and process.pid not in family]
        family.update(process.pid for process in new)
        found += new
        grew = bool(new)
    return found


def has_marker(pid: int, marker: str) -> bool:
    """Return whether the process was started with `marker` (NAME=value) in its environment."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return marker.encode() in file.read().split(b"\0")
    except OSError:
        return False


def kill_group(leader: int) -> None:
    """Send SIGKILL to what is left of the process group that `leader` led."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def kill_each(find: Callable[[], list[int]], reap: Callable[[], None]) -> None:
    """Send SIGKILL to what `find` returns, again and again until it returns nothing."""
    deadline = time.monotonic() + KILL_SECONDS
    while (pids := find()) and time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(KILL_PAUSE_SECONDS)
        reap()


def held_mib(pids: Iterable[int], *, limit_mib: int) -> int:
    """Return how much these processes hold together; exact only where that is more than the limit.

    The quick count takes memory that forked processes share several times. Only if that is too much,
    the kernel adds it up properly, which takes it milliseconds per GiB.
    """
    known = list(pids)
    quick = sum(_sum(f"/proc/{pid}/status", (b"RssAnon:", b"VmSwap:")) for pid in known)
    if quick <= limit_mib * MIB:
        return quick // MIB
    return sum(_sum(f"/proc/{pid}/smaps_rollup", (b"Pss_Anon:", b"SwapPss:")) for pid in known) // MIB


def _sum(path: str, fields: tuple[bytes, ...]) -> int:
    """Return the sum of some fields of a file of /proc, in bytes; 0 for a process that is gone."""
    total = 0
    with contextlib.suppress(OSError, ValueError, IndexError), open(path, "rb") as file:
        for line in file:
            if line.startswith(fields):
                total += int(line.split()[1]) * KIB
    return total
