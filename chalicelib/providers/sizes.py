"""The sizes that a provider sells tasks in, and the smallest of them that holds a task. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chalicelib.providers.base import TaskRejected

MIB_OF_GIB = 1024


@dataclass(frozen=True, slots=True)
class Size:
    """A task's size as it is sold; disk_gib 0 means the disk that every task has."""

    cpu_milli: int
    memory_mib: int
    disk_gib: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeTable:
    """What `seller` sells: for each amount of cpu (in thousandths) its amounts of memory, both ascending."""

    seller: str
    memory_mib: Mapping[int, Sequence[int]]
    included_disk_gib: int  # what every task has
    min_disk_gib: int  # the least that can be asked for beyond that
    max_disk_gib: int

    @property
    def largest(self) -> Size:
        """Return the largest size, with the disk that every task has."""
        cpu_milli = max(self.memory_mib)
        return Size(cpu_milli, self.memory_mib[cpu_milli][-1])

    def fit(self, *, cpu_milli: int, memory_mib: int, disk_gib: int = 0) -> Size:
        """Return the cheapest size that holds what is asked for. Raises TaskRejected where none does."""
        if disk_gib > self.max_disk_gib:
            raise TaskRejected(
                "OutOfDisk", f"{disk_gib} GiB of disk asked for, {self.seller} has up to {self.max_disk_gib}"
            )
        disk = max(disk_gib, self.min_disk_gib) if disk_gib > self.included_disk_gib else 0
        for cpu, amounts in self.memory_mib.items():
            memory = next((each for each in amounts if each >= memory_mib), None)
            if cpu >= cpu_milli and memory is not None:
                return Size(cpu, memory, disk)
        largest = self.largest
        raise TaskRejected(
            "OutOfResources",
            f"{cpu_milli}m cpu and {memory_mib}Mi memory asked for; {self.seller} has up to"
            f" {largest.cpu_milli // 1000} vCPU with {largest.memory_mib // MIB_OF_GIB}Gi",
        )
