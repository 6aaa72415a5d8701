"""The share of a processor that a Lambda function has, as a quota of a control group.

Lambda Developer Guide, "Configure Lambda function memory": 1,769 MB have the equivalent of one vCPU.
"""

from __future__ import annotations

import itertools
import os
import time
from contextlib import suppress
from pathlib import Path

FULL_MB = 1769
PERIOD_US = 100_000
EMPTY_SECONDS = 5.0  # until the kernel has let go of the group's last process
_NUMBERS = itertools.count()
V1, V2 = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")


class CpuShare:
    """A control group whose processes together have the processor of a function with `memory_mb`.

    `is_enforced` is False where this user may make none: then processes have what the machine gives.
    """

    def __init__(self, memory_mb: int) -> None:
        self.share = memory_mb / FULL_MB
        quota_us = int(self.share * PERIOD_US)
        name, is_v1 = f"sparkanywhere-share-{os.getpid()}-{next(_NUMBERS)}", (V1 / "cpu.cfs_quota_us").exists()
        self._group = (V1 if is_v1 else V2) / name
        try:
            self._group.mkdir()
            limit, text = ("cpu.cfs_quota_us", f"{quota_us}") if is_v1 else ("cpu.max", f"{quota_us} {PERIOD_US}")
            (self._group / limit).write_text(text)
            self.is_enforced = True
        except OSError:
            self.is_enforced = False

    def take(self, pid: int) -> None:
        """Put a process, and what it will start, into the group."""
        if self.is_enforced:
            (self._group / "cgroup.procs").write_text(str(pid))

    def close(self) -> None:
        """Remove the group, whose processes have ended."""
        until = time.monotonic() + EMPTY_SECONDS
        while self._group.is_dir() and time.monotonic() < until:
            with suppress(OSError):
                self._group.rmdir()
                return
            time.sleep(0.1)


def cpu_seconds(pid: int) -> float:
    """Return the processor seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
