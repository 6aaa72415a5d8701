"""The shape of a run's executors, what its memory needed by measure, and shapes that would have done. Pure.

    heap      the most that was used, garbage included, or what execution and cached blocks took of Spark's share of it
    overhead  what lies beside the heap: metaspace, direct buffers, Python's workers

Both with a margin. With more tasks at once in an executor both grow in proportion, with fewer neither is taken to
shrink; with fewer executors each keeps more of the cached blocks. Reference: Spark 4.3, "Tuning Spark".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from chalicelib.apimachinery.rules.quantity import parse_quantity
from chalicelib.providers.base import TaskRejected
from chalicelib.providers.sizes import SizeTable
from sparkanywhere.jobs.memory_size import JVM_FACTOR, OTHER_FACTOR, overhead_mib, parse_mib, pod_mib
from sparkanywhere.sizing.run_profile import HEAP, JVM_RSS, STORAGE, RunProfile, most_at_once

MARGIN = 1.25  # more memory than was used
RESERVED_MIB = 300  # of a heap, which Spark keeps for itself
LEAST_HEAP_MIB = 512  # Spark starts with 450
JVM_EXTRA_MIB = 128  # stacks of threads and the collector's own tables, which no metric counts
STEP_MIB = 64  # to which heaps are rounded, down
DISK_SHARE = 0.7  # of a task's disk that shuffles may fill
MOST_CORES, MOST_SLOTS = 1_000, 100_000  # of an executor, of all: whoever ran the job has written its log
MOST_TRIED = 64  # numbers of cores
EXECUTOR = "spark.executor."
DYNAMIC, OFF_HEAP = "spark.dynamicAllocation.enabled", "spark.memory.offHeap.enabled"


@dataclass(frozen=True, slots=True)
class Shape:
    """So many executors of one size; `cpu_milli` and `memory_mib` are the pod's, as it is sold where sizes are."""

    executors: int
    cores: int
    heap_mib: int
    overhead_mib: int
    cpu_milli: int
    memory_mib: int

    @property
    def total_cores(self) -> float:
        """Return the cores of all executors."""
        return self.executors * self.cpu_milli / 1000

    @property
    def total_gib(self) -> float:
        """Return the memory of all executors."""
        return self.executors * self.memory_mib / 1024


@dataclass(frozen=True, slots=True)
class Need:
    """What executors needed, and how it grows with tasks at once and with cached blocks; MARGIN is in what it returns.

    `held` is what each had in its heap and beside it, and how many tasks it ran at once at most: an executor that was
    never full does not tell what a full one needs.
    """

    held: Sequence[tuple[float, float, int]]
    task_mib: float  # execution memory of one task
    storage_mib: float  # cached blocks of all executors together
    most_storage_mib: float  # of the one that had most
    memory_fraction: float  # of the heap, which execution and storage share

    def heap(self, *, executors: int, tasks: int) -> float:
        """Return the heap that each of so many executors needs with so many tasks at once, in MiB."""
        used = max((heap * max(1.0, tasks / then) for heap, _, then in self.held), default=0.0)
        storage = self.storage_mib / executors
        grown = max(0.0, storage - self.most_storage_mib)
        shared = self.task_mib * tasks + max(storage, self.most_storage_mib)
        enough = shared * MARGIN / self.memory_fraction + RESERVED_MIB
        return max((used + grown) * MARGIN, enough, LEAST_HEAP_MIB)

    def beside(self, *, tasks: int) -> float:
        """Return what it needs beside its heap, in MiB."""
        used = max((beside * max(1.0, tasks / then) for _, beside, then in self.held), default=0.0)
        return used * MARGIN + JVM_EXTRA_MIB


class Sizer:
    """Makes shapes for one measured run; `sizes` is what the provider sells, None where pods get what they ask for."""

    def __init__(self, run: RunProfile, sizes: SizeTable | None) -> None:
        """Read the run's own shape. Raises ValueError, ArithmeticError, TaskRejected for settings that make none."""
        self._run, self._sizes, said = run, sizes, run.properties
        self._given_overhead = said.get(f"{EXECUTOR}memoryOverhead", "")
        is_java = said.get("spark.kubernetes.resource.type", "java") == "java"
        keys = (f"{EXECUTOR}memoryOverheadFactor", "spark.kubernetes.memoryOverheadFactor")
        factors = [float(said[key]) for key in keys if said.get(key)]
        self.factor = next(iter(factors), JVM_FACTOR if is_java else OTHER_FACTOR)
        self.task_cpus = max(1, int(said.get("spark.task.cpus") or 1))
        self._request = said.get("spark.kubernetes.executor.request.cores", "")
        asked = said.get(f"{EXECUTOR}memory") or "1g"
        heap, pod = parse_mib(asked), pod_mib(asked, overhead=self._given_overhead, factor=self.factor)
        cores = max((each.cores for each in run.executors.values()), default=0)
        if cores < self.task_cpus:
            raise ValueError("no executor has cores for a task")
        there = [each for each in run.executors.values() if each.cores]
        count = most_at_once((each.added for each in there), (each.removed for each in there if each.removed))
        if cores > MOST_CORES or count * cores > MOST_SLOTS:
            raise ValueError(f"there were {count} of {cores} cores")
        self.actual = self._sold(Shape(count, cores, heap, pod - heap, self._milli(cores), pod))
        self.is_dynamic = said.get(DYNAMIC) == "true"  # Spark itself chooses how many
        # Python's workers may not have been looked at
        self._keeps_overhead = bool(self._given_overhead) or not (is_java or run.peak(JVM_RSS))
        # Memory that neither heap nor overhead is, or cores that are not what tasks are counted by
        is_odd = said.get(OFF_HEAP) == "true" or bool(said.get(f"{EXECUTOR}pyspark.memory"))
        self.is_fixed = bool(self._request) or is_odd
        self.need = _need(run, slots=self.slots(cores))

    def slots(self, cores: int) -> int:
        """Return how many tasks an executor with so many cores runs at once."""
        return cores // self.task_cpus

    @property
    def core_counts(self) -> list[int]:
        """Return the numbers of cores that executors might have."""
        if self.is_fixed or self.is_dynamic:
            return [self.actual.cores]
        some = range(self.actual.cores, 0, -(1 + self.actual.cores // MOST_TRIED))
        sold = [each // 1000 for each in self._sizes.memory_mib if each % 1000 == 0] if self._sizes else some
        return [each for each in sold if each >= self.task_cpus]

    def shape(self, executors: int, cores: int, *, keeps_memory: bool) -> Shape | None:
        """Return executors of the least memory that will do, or of the run's own; None where none is sold so large."""
        tasks, tasks_then = self.slots(cores), self.slots(self.actual.cores)
        scale = max(1.0, tasks / tasks_then)
        heap, beside = self.need.heap(executors=executors, tasks=tasks), self.need.beside(tasks=tasks)
        if keeps_memory or self.is_fixed:
            heap = max(heap, self.actual.heap_mib * scale)
        if keeps_memory or self.is_fixed or self._keeps_overhead:
            beside = max(beside, self.actual.overhead_mib * scale)
        heap = ceil(heap / STEP_MIB) * STEP_MIB
        overhead = self._overhead(heap, beside)
        made = Shape(executors, cores, heap, overhead, self._milli(cores), heap + overhead)
        try:
            return self._filled(self._sold(made), beside)
        except TaskRejected:
            return None

    def fits_disk(self, executors: int) -> bool:
        """Return whether so many executors have the disk for what the run shuffled and spilled."""
        written = (self._run.totals.shuffle_mib + self._run.totals.spilled_disk_mib) / 1024
        return self._sizes is None or written <= DISK_SHARE * self._sizes.included_disk_gib * executors

    def _milli(self, cores: int) -> int:
        return parse_quantity(self._request).milli if self._request else cores * 1000

    def _overhead(self, heap: float, beside: float) -> int:
        """Return what a pod has beside a heap: as it was given, else as Spark adds it, or more where that is needed."""
        return ceil(beside) if self._given_overhead else ceil(max(beside, overhead_mib(heap, self.factor)))

    def _sold(self, shape: Shape) -> Shape:
        if self._sizes is None:
            return shape
        size = self._sizes.fit(cpu_milli=shape.cpu_milli, memory_mib=shape.memory_mib)
        return replace(shape, cpu_milli=size.cpu_milli, memory_mib=size.memory_mib)

    def _filled(self, shape: Shape, beside: float) -> Shape:
        """Return a shape whose heap takes all of the memory that is paid for."""
        if self._sizes is None or self.is_fixed:
            return shape
        most = shape.memory_mib - self._overhead(0, beside)
        if not self._given_overhead:
            most = min(most, int(shape.memory_mib / (1 + self.factor)))
        heap = max(shape.heap_mib, most // STEP_MIB * STEP_MIB)
        return replace(shape, heap_mib=heap, overhead_mib=self._overhead(heap, beside))

    def needs_overhead(self, shape: Shape) -> bool:
        """Return whether a shape's overhead must be said, since it is not what Spark would add by itself."""
        usual = pod_mib(f"{shape.heap_mib}m", overhead=self._given_overhead, factor=self.factor) - shape.heap_mib
        return shape.overhead_mib > usual


def _need(run: RunProfile, *, slots: int) -> Need:
    ran = [each for each in run.executors.values() if each.launched]
    tasks = [min(each.most_tasks, slots) for each in ran]  # a task's end is noted after its slot has another one
    held = [(each.peaks.get(HEAP, 0.0), each.beside_mib, most) for each, most in zip(ran, tasks, strict=True)]
    storage = [each.peaks.get(STORAGE, 0.0) for each in ran]
    fraction = float(run.properties.get("spark.memory.fraction") or 0.6)
    return Need(held, run.totals.task_mib, sum(storage), max(storage, default=0.0), fraction)
