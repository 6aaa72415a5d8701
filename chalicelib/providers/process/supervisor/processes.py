"""Find all that came of a process, know what memory it holds, and end it, by /proc.

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
