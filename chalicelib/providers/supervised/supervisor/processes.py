"""Find all that came of a process, know what memory it holds, and end it, by /proc.

On Linux the supervisor adopts orphaned grandchildren (PR_SET_CHILD_SUBREAPER), so nothing that a container starts can
hide from it. Elsewhere `ps` (POSIX.1-2017) says what there is, and orphans are known by their session: one that has
begun its own gets away, unless its parent lived until the container was asked to end. Of memory is counted what nobody
can take back from a process, nearly what a control group would count: anonymous memory and what of it is swapped out;
pages of files are the system's to drop. Fields: man7.org, proc_pid_status(5) and proc_pid_smaps(5).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Container, Iterable, Iterator
from typing import NamedTuple

from chalicelib import system
from chalicelib.system import Feature

# Options of prctl(2), from linux/prctl.h.
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

KILL_SECONDS = 5.0  # a killed process that is still there then hangs in the kernel: go on without it
KILL_PAUSE_SECONDS = 0.002


_LIBC = ctypes.CDLL(None, use_errno=True)
_LIST = ["ps", "-A", "-o", "pid=", "-o", "ppid=", "-o", "stat="]
LOOK_SECONDS = 1.0  # between two looks; what is taken and given back in between is never seen
FAMILY_SECONDS = 3.0  # between two searches for new processes, each of which reads the whole process table
KIB = 1024
MIB = 1024 * 1024


def prctl(option: int, value: int) -> None:
    """Set an option of this process; on systems without prctl, nothing."""
    if system.has(Feature.PRCTL):
        _LIBC.prctl(option, value, 0, 0, 0)


class Process(NamedTuple):
    """One line of the process table."""

    pid: int
    parent: int
    session: int


def adopt_orphans() -> None:
    """Make this process the parent of every orphan among its descendants. Linux only, else nothing."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def processes() -> Iterator[Process]:
    """Yield the process table, without processes that have ended."""
    if not system.has(Feature.PROC):
        yield from _listed()
        return
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            if fields[0] != b"Z":
                yield Process(int(name), int(fields[1]), int(fields[3]))


def _listed() -> Iterator[Process]:
    """Yield what `ps` knows. It takes some 20 ms."""
    import subprocess  # much for a supervisor to carry that never needs it

    with subprocess.Popen(_LIST, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL) as ps:
        lines = ps.communicate()[0].splitlines()
    for line in lines:
        with contextlib.suppress(OSError, ValueError):
            pid, parent, state = line.split()
            if int(pid) != ps.pid and not state.startswith("Z"):
                yield Process(int(pid), int(parent), os.getsid(int(pid)))


def family(root: int, sessions: Container[int]) -> list[Process]:
    """Return all that came of the process `root`, without it.

    Orphans that it has not adopted are those of the sessions: a process forked while its parent is killed was in no
    table before.
    """
    table = list(processes())
    if system.has(Feature.PRCTL):
        return descendants(root, table)
    return [one for one in table if one.session in sessions]


def descendants(root: int, table: list[Process] | None = None) -> list[Process]:
    """Return all that came of the process `root`, without it; of those in `table`, by default of all there are."""
    table = list(processes()) if table is None else table
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
    """Return whether the process was started with `marker` (NAME=value) in its environment, if that can be known."""
    if not system.has(Feature.PROC):
        return False
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


def enforces_memory() -> bool:
    """Return whether the system says what processes hold, as held_mib() needs to know it."""
    return system.has(Feature.PROC) and os.path.exists("/proc/self/smaps_rollup")


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
