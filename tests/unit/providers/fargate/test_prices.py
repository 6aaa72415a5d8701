"""Requests are rounded up to what Fargate sells, and what it does not sell is refused."""

from __future__ import annotations

import pytest

from chalicelib.providers.base import TaskRejected
from chalicelib.providers.fargate.prices import SIZES, cpu_units
from chalicelib.providers.sizes import Size


@pytest.mark.parametrize(
    ("cpu_milli", "memory_mib", "disk_gib", "size"),
    [
        (0, 0, 0, Size(250, 512)),
        (250, 513, 0, Size(250, 1024)),
        (250, 2049, 0, Size(500, 3072)),
        (1000, 984, 0, Size(1000, 2048)),
        (1000, 1408, 20, Size(1000, 2048)),
        (1000, 8193, 0, Size(2000, 9216)),
        (1001, 1024, 0, Size(2000, 4096)),
        (4000, 30720, 0, Size(4000, 30720)),
        (4000, 30721, 0, Size(8000, 32768)),
        (16000, 122880, 200, Size(16000, 122880, 200)),
        (1000, 2048, 21, Size(1000, 2048, 21)),
    ],
)
def test_the_smallest_size_that_holds_a_task_is_chosen(
    cpu_milli: int, memory_mib: int, disk_gib: int, size: Size
) -> None:
    assert SIZES.fit(cpu_milli=cpu_milli, memory_mib=memory_mib, disk_gib=disk_gib) == size


@pytest.mark.parametrize(("cpu_milli", "memory_mib", "disk_gib"), [(16001, 0, 0), (0, 122881, 0), (0, 0, 201)])
def test_more_than_fargate_has_is_rejected(cpu_milli: int, memory_mib: int, disk_gib: int) -> None:
    with pytest.raises(TaskRejected):
        SIZES.fit(cpu_milli=cpu_milli, memory_mib=memory_mib, disk_gib=disk_gib)


def test_every_size_is_a_whole_number_of_cpu_units() -> None:
    assert [cpu_units(cpu) for cpu in SIZES.memory_mib] == [256, 512, 1024, 2048, 4096, 8192, 16384]
