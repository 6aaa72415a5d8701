"""What a run did with its executors, measured from its events: times of tasks, memory, spill, garbage collection.

Times are seconds since 1970, memory is in MiB. Metrics of memory: Spark 4.3, "Monitoring and Instrumentation", Executor
Metrics; those of process trees are there where spark.executor.processTreeMetrics.enabled is set.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from math import isfinite
from typing import Any

from sparkanywhere.sizing.event_stream import Event, LogUnreadable

MIB = 1024**2
LARGEST = 2.0**53
MOST_TASKS, MOST_STAGES, MOST_EXECUTORS = 1_000_000, 100_000, 20_000
MOST_KEPT = 8 * MIB  # characters of properties and ids of parents, each time that a log tells them
ID_LETTERS = 63  # of an executor: Spark numbers them
DRIVER = "driver"
HEAP, BESIDE_HEAP, DIRECT = "JVMHeapMemory", "JVMOffHeapMemory", "DirectPoolMemory"
STORAGE = "OnHeapStorageMemory"
JVM_RSS, PYTHON_RSS, OTHER_RSS = (f"ProcessTree{each}RSSMemory" for each in ("JVM", "Python", "Other"))
BESIDE = (BESIDE_HEAP, DIRECT, PYTHON_RSS, OTHER_RSS)  # all that lies beside the heap
METRICS = (HEAP, BESIDE_HEAP, DIRECT, STORAGE, JVM_RSS, PYTHON_RSS, OTHER_RSS)


@dataclass(slots=True)
class Stage:
    """One attempt of a stage: when it could run and was done, and each task's id and time in a slot."""

    submitted: float = 0.0
    completed: float = 0.0
    parents: tuple[int, ...] = ()  # ids of stages whose output it reads
    ids: array[float] = field(default_factory=lambda: array("d"))
    seconds: array[float] = field(default_factory=lambda: array("d"))

    def ordered(self) -> list[float]:
        """Return the seconds of its tasks in the order of their launch, which is that of their ids."""
        return [each for _, each in sorted(zip(self.ids, self.seconds, strict=True))]


@dataclass(slots=True)
class Executor:
    """One executor: its cores, when it was there, its tasks' times, and the most seen of its memory, by metric."""

    cores: int = 0
    added: float = 0.0
    removed: float = 0.0
    launched: array[float] = field(default_factory=lambda: array("d"))
    finished: array[float] = field(default_factory=lambda: array("d"))
    peaks: dict[str, float] = field(default_factory=dict)

    @property
    def most_tasks(self) -> int:
        """Return how many tasks it ran at once at most."""
        return most_at_once(self.launched, self.finished)

    @property
    def beside_mib(self) -> float:
        """Return the most that it had of all that lies beside the heap, as if that had been at once."""
        return sum(self.peaks.get(name, 0.0) for name in BESIDE)


@dataclass(slots=True)
class Totals:
    """Sums over all tasks; memory of a task is the most that one had."""

    tasks: int = 0
    failed: int = 0
    run_seconds: float = 0.0
    cpu_seconds: float = 0.0
    gc_seconds: float = 0.0
    input_mib: float = 0.0
    shuffle_mib: float = 0.0  # written
    spilled_mib: float = 0.0  # of memory that was spilled, as large as it was in memory
    spilled_disk_mib: float = 0.0
    task_mib: float = 0.0  # execution memory
    task_need_mib: float = 0.0  # and what it spilled: with so much it would not have

    @property
    def gc_share(self) -> float:
        """Return the part of the tasks' time that garbage collection took."""
        return self.gc_seconds / self.run_seconds if self.run_seconds else 0.0


@dataclass(slots=True)
class RunProfile:
    """A run as its event log tells it; `ended` is 0 while it runs."""

    properties: dict[str, str] = field(default_factory=dict)
    started: float = 0.0
    ended: float = 0.0
    last: float = 0.0
    stages: dict[tuple[int, int], Stage] = field(default_factory=dict)
    executors: dict[str, Executor] = field(default_factory=dict)
    driver: Executor = field(default_factory=Executor)
    totals: Totals = field(default_factory=Totals)
    kept: int = 0  # towards MOST_KEPT
    has_profiles: bool = False  # resource profiles of its own, beside the default one

    @property
    def begun(self) -> float:
        """Return when the first stage was submitted."""
        return min((each.submitted for each in self.stages.values()), default=0.0)

    @property
    def seconds(self) -> float:
        """Return how long stages ran, from the first submission to the last completion."""
        return max((each.completed for each in self.stages.values()), default=0.0) - self.begun

    @property
    def busy_seconds(self) -> float:
        """Return the time that tasks had slots."""
        return sum(sum(each.seconds) for each in self.stages.values())

    @property
    def core_seconds(self) -> float:
        """Return the time of all cores that executors had, from the first stage on."""
        end = self.ended or self.last
        each_seconds = ((each.removed or end) - max(each.added, self.begun) for each in self.executors.values())
        cores = (each.cores for each in self.executors.values())
        return sum(count * max(0.0, seconds) for count, seconds in zip(cores, each_seconds, strict=True))

    @property
    def skew(self) -> float:
        """Return how many times the median of its stage the longest task took, of the stage that lost most by it."""
        worst, lost = 1.0, 0.0
        for stage in self.stages.values():
            ordered = sorted(stage.seconds)
            if not ordered:
                continue
            median = ordered[len(ordered) // 2]
            if ordered[-1] - median > lost and median > 0:
                worst, lost = ordered[-1] / median, ordered[-1] - median
        return worst

    def peak(self, metric: str) -> float:
        """Return the most that any executor had of a metric, 0 where it was never sampled."""
        return max((each.peaks.get(metric, 0.0) for each in self.executors.values()), default=0.0)

    @property
    def is_memory_known(self) -> bool:
        """Return whether the heap of every executor that ran tasks was sampled."""
        used = [each for each in self.executors.values() if each.launched]
        return bool(used) and all(each.peaks.get(HEAP) for each in used)


def most_at_once(starts: Iterable[float], ends: Iterable[float]) -> int:
    """Return how many things there were at most at the same time; what ends as another starts is not beside it."""
    changes = [*((at, 1) for at in starts), *((at, -1) for at in ends)]
    return max(accumulate(change for _, change in sorted(changes)), default=0)


def profile(found: Iterable[Event]) -> RunProfile:
    """Return what events tell. Raises LogUnreadable where they are none of a Spark application, or too many."""
    run = RunProfile()
    for event in found:
        _take(run, event)
        amounts = (run.totals.tasks, MOST_TASKS), (len(run.stages), MOST_STAGES), (len(run.executors), MOST_EXECUTORS)
        if any(there > most for there, most in (*amounts, (run.kept, MOST_KEPT))):
            raise LogUnreadable(f"Its event log tells of more than {MOST_TASKS} tasks: it is too large to measure.")
    if not run.started:
        raise LogUnreadable("Its event log does not tell of its start.")
    run.stages = {key: each for key, each in run.stages.items() if each.submitted}
    return run


def _take(run: RunProfile, event: Event) -> None:
    match str(event["Event"]).removeprefix("SparkListener"):
        case "ApplicationStart":
            run.started = run.started or _time(event, "Timestamp")
        case "ApplicationEnd":
            run.ended = _time(event, "Timestamp")
        case "EnvironmentUpdate":
            properties = {str(key): str(value) for key, value in _part(event, "Spark Properties").items()}
            run.kept += sum(len(key) + len(value) for key, value in properties.items())
            run.properties |= properties
        case "ExecutorAdded":
            executor, about = run.executors.setdefault(_executor_of(event), Executor()), _part(event, "Executor Info")
            executor.cores, executor.added = int(_number(about, "Total Cores")), _time(event, "Timestamp")
            run.has_profiles |= bool(_number(about, "Resource Profile Id"))
        case "ExecutorRemoved":
            if gone := run.executors.get(_executor_of(event)):
                gone.removed = _time(event, "Timestamp")
        case "StageCompleted":
            _take_stage(run, _part(event, "Stage Info"))
        case "StageExecutorMetrics":
            _note_peaks(run, _executor_of(event), _part(event, "Executor Metrics"))
        case "TaskEnd":
            _take_task(run, event)


def _take_stage(run: RunProfile, about: Mapping[str, Any]) -> None:
    stage = _stage_of(run, about)
    stage.submitted, stage.completed = _time(about, "Submission Time"), _time(about, "Completion Time")
    stage.completed = max(stage.completed, stage.submitted)
    parents = about.get("Parent IDs")
    found = parents if isinstance(parents, list) else ()
    stage.parents = tuple(each for each in found if isinstance(each, int) and 0 <= each < LARGEST)
    run.kept += len(stage.parents)


def _note_peaks(run: RunProfile, name: str, metrics: Mapping[str, Any]) -> Executor:
    executor = run.driver if name == DRIVER else run.executors.setdefault(name, Executor())
    for each in METRICS:
        if amount := _number(metrics, each):
            executor.peaks[each] = max(executor.peaks.get(each, 0.0), amount / MIB)
    return executor


def _take_task(run: RunProfile, event: Event) -> None:
    about, metrics, totals = _part(event, "Task Info"), _part(event, "Task Metrics"), run.totals
    launched, finished = _time(about, "Launch Time"), _time(about, "Finish Time")
    executor = _note_peaks(run, _executor_of(about), _part(event, "Task Executor Metrics"))
    run.last = max(run.last, finished)
    stage = _stage_of(run, event)
    stage.ids.append(_number(about, "Task ID"))
    stage.seconds.append(max(0.0, finished - launched))
    executor.launched.append(launched)
    executor.finished.append(max(launched, finished))
    totals.tasks += 1
    totals.failed += about.get("Failed") is True
    totals.run_seconds += _number(metrics, "Executor Run Time") / 1000
    totals.cpu_seconds += _number(metrics, "Executor CPU Time") / 1e9
    totals.gc_seconds += _number(metrics, "JVM GC Time") / 1000
    totals.input_mib += _number(_part(metrics, "Input Metrics"), "Bytes Read") / MIB
    totals.shuffle_mib += _number(_part(metrics, "Shuffle Write Metrics"), "Shuffle Bytes Written") / MIB
    spilled, peak = _number(metrics, "Memory Bytes Spilled") / MIB, _number(metrics, "Peak Execution Memory") / MIB
    totals.spilled_mib += spilled
    totals.spilled_disk_mib += _number(metrics, "Disk Bytes Spilled") / MIB
    totals.task_mib = max(totals.task_mib, peak)
    totals.task_need_mib = max(totals.task_need_mib, peak + spilled)


def _executor_of(event: Mapping[str, Any]) -> str:
    return str(event.get("Executor ID"))[:ID_LETTERS]


def _stage_of(run: RunProfile, event: Mapping[str, Any]) -> Stage:
    key = int(_number(event, "Stage ID")), int(_number(event, "Stage Attempt ID"))
    return run.stages.setdefault(key, Stage())


def _part(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = event.get(name)
    return found if isinstance(found, dict) else {}


def _number(event: Mapping[str, Any], name: str) -> float:
    """Return a number of an event, 0 for whatever else there is."""
    found = event.get(name)
    if not isinstance(found, (int, float)) or isinstance(found, bool) or not 0 <= found < LARGEST:
        return 0.0
    return float(found) if isfinite(found) else 0.0


def _time(event: Mapping[str, Any], name: str) -> float:
    return _number(event, name) / 1000
