"""How much memory the processes of a container hold: nearly what a control group would count, and without one.

Counted is what nobody can take back from a process: anonymous memory and what of it is swapped out. Pages of files
are the system's to drop. Fields: man7.org, proc_pid_status(5) and proc_pid_smaps(5). Linux alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

LOOK_SECONDS = 1.0  # between two looks; what is taken and given back in between is never seen
FAMILY_SECONDS = 3.0  # between two searches for new processes, each of which reads the whole process table
KIB = 1024
MIB = 1024 * 1024


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
