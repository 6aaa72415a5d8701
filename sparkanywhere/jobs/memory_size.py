"""Sizes of memory in Spark's words, and what a pod needs beside its heap.

Reference: Spark 4.3 docs, Configuration (sizes) and Running on Kubernetes (spark.kubernetes.memoryOverheadFactor).
"""

from __future__ import annotations

import re
from math import ceil

UNITS = {"b": 1 / 1024**2, "k": 1 / 1024, "m": 1.0, "g": 1024.0, "t": 1024.0**2, "p": 1024.0**3}
MIN_OVERHEAD_MIB = 384
JVM_FACTOR, OTHER_FACTOR = 0.1, 0.4  # Python and R need room beside the heap
SIZE = re.compile(r"(\d+)\s*(b|k|kb|ki|m|mb|mi|g|gb|gi|t|tb|ti|p|pb|pi)?b?", re.IGNORECASE)


def parse_mib(text: str) -> int:
    """Return a Spark size (`4g`, `512m`, `1024`: MiB) in MiB, rounded up. Raises ValueError."""
    match = SIZE.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{text!r} is not a memory size: write 512m or 4g")
    unit = (match[2] or "m")[0].lower()
    return ceil(int(match[1]) * UNITS[unit])


def pod_mib(heap: str, *, overhead: str = "", factor: float = JVM_FACTOR) -> int:
    """Return what a pod with this heap asks for: heap and overhead, as Spark computes it."""
    heap_mib = parse_mib(heap)
    return heap_mib + (parse_mib(overhead) if overhead else overhead_mib(heap_mib, factor))


def overhead_mib(heap_mib: float, factor: float) -> int:
    """Return what Spark adds to a heap by itself, in MiB."""
    return max(int(heap_mib * factor), MIN_OVERHEAD_MIB)
