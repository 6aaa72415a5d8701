"""Fargate's sizes: the pairs of cpu and memory it sells, and the smallest that holds a task.

Amazon ECS Developer Guide, "Task CPU and memory" for Fargate (platform version 1.4.0); 8 and 16 vCPU are
Linux only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from chalicelib.providers.base import TaskRejected

GIB = 1024  # MiB
CPU_UNITS = 1024  # to one vCPU
MIN_DISK_GIB, MAX_DISK_GIB = 21, 200  # what may be asked for; without asking there are 20
INCLUDED_DISK_GIB = 20

# cpu units -> memory: smallest, largest and step, in MiB
MEMORY: dict[int, tuple[int, int, int]] = {
    256: (512, 2 * GIB, 512),
    512: (1 * GIB, 4 * GIB, GIB),
    1024: (2 * GIB, 8 * GIB, GIB),
    2048: (4 * GIB, 16 * GIB, GIB),
    4096: (8 * GIB, 30 * GIB, GIB),
    8192: (16 * GIB, 60 * GIB, 4 * GIB),
    16384: (32 * GIB, 120 * GIB, 8 * GIB),
}
QUARTER_VCPU_MEMORY = (512, 1024, 2048)  # a quarter vCPU comes with these alone


@dataclass(frozen=True, slots=True)
class Size:
    """A task's size as Fargate sells it; disk_gib 0 means the 20 GiB that every task has."""

    cpu_units: int
    memory_mib: int
    disk_gib: int = 0


def fit(*, cpu_milli: int, memory_mib: int, disk_gib: int = 0) -> Size:
    """Return the cheapest size that holds what is asked for. Raises TaskRejected where none does."""
    units = ceil(cpu_milli * CPU_UNITS / 1000)
    if disk_gib > MAX_DISK_GIB:
        raise TaskRejected("OutOfDisk", f"{disk_gib} GiB of disk asked for, Fargate has up to {MAX_DISK_GIB}")
    disk = max(disk_gib, MIN_DISK_GIB) if disk_gib > INCLUDED_DISK_GIB else 0
    for cpu in sorted(MEMORY):
        memory = _memory(cpu, memory_mib)
        if cpu >= units and memory is not None:
            return Size(cpu, memory, disk)
    largest = max(MEMORY)
    raise TaskRejected(
        "OutOfResources",
        f"{cpu_milli}m cpu and {memory_mib}Mi memory asked for; Fargate has up to"
        f" {largest // CPU_UNITS} vCPU with {MEMORY[largest][1] // GIB}Gi",
    )


def memory_sizes(cpu: int) -> Sequence[int]:
    """Return the sizes of memory that go with so many cpu units, in MiB, the smallest first."""
    if cpu == min(MEMORY):
        return QUARTER_VCPU_MEMORY
    smallest, largest, step = MEMORY[cpu]
    return range(smallest, largest + 1, step)


def _memory(cpu: int, memory_mib: int) -> int | None:
    """Return the least memory that goes with `cpu` and holds `memory_mib`."""
    return next((size for size in memory_sizes(cpu) if size >= memory_mib), None)
