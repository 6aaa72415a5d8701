"""Jobs whose every task is known, run by a small simulator of Spark's scheduling, and the cheapest shape for them.

Memory is in MiB. An executor's heap holds `base` and what its running tasks hold; a stage begins once its parents are
done and a pause is over; tasks take the first free slot, FIFO by stage.
"""

from __future__ import annotations

import heapq
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from chalicelib.providers.registry import find, reference_prices
from sparkanywhere.jobs.estimate import pod_usd_per_hour
from sparkanywhere.jobs.memory_size import pod_mib
from sparkanywhere.sizing.event_stream import Event

MIB = 1024**2
BEGAN = 1_800_000_000.0
SIZES = find("fargate").sizes
RATES = reference_prices().rates


@dataclass(frozen=True)
class Task:
    seconds: float
    mib: float


@dataclass(frozen=True)
class Stage:
    parents: tuple[int, ...]
    pause: float
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class Job:
    stages: tuple[Stage, ...]
    base_mib: float


@dataclass
class Run:
    """What a simulated run did: (stage, task, executor, from, to) in order of their launch."""

    launches: list[tuple[int, int, int, float, float]] = field(default_factory=list)
    submitted: dict[int, float] = field(default_factory=dict)
    completed: dict[int, float] = field(default_factory=dict)
    peaks: dict[int, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return max(self.completed.values()) - min(self.submitted.values())


def job(seed: int) -> Job:
    """Return a job: chains, diamonds and wide stages, even and skewed, small and large tasks."""
    chance = random.Random(seed)
    mib, skew = chance.choice([40.0, 150.0, 500.0, 1200.0]), chance.choice([0.05, 0.3, 1.0])
    stages = []
    for number in range(chance.randint(1, 6)):
        parents = () if number == 0 or chance.random() < 0.15 else tuple({chance.randrange(number) for _ in range(2)})
        typical = chance.uniform(4, 40)
        tasks = tuple(
            Task(typical * chance.lognormvariate(0, skew), mib * chance.uniform(0.5, 1.0))
            for _ in range(chance.choice([1, 2, 4, 8, 20, 40]))
        )
        stages.append(Stage(parents, chance.uniform(0, 3), tasks))
    return Job(tuple(stages), chance.uniform(60, 400))


def run(work: Job, *, executors: int, cores: int) -> Run:
    """Return what happens on so many executors."""
    done = Run()
    slots = [executor for _ in range(cores) for executor in range(executors)]  # spread, as Spark does
    free = list(range(len(slots)))
    # (when, -1 - stage that can run) or (when, slot that is free)
    queue = [(stage.pause, -1 - number) for number, stage in enumerate(work.stages) if not stage.parents]
    heapq.heapify(queue)
    ready: list[tuple[float, int, int]] = []  # (submitted, stage, task)
    running: dict[int, tuple[int, int]] = {}
    held = [work.base_mib] * executors
    left = {number: len(stage.tasks) for number, stage in enumerate(work.stages)}
    while queue:
        now, what = heapq.heappop(queue)
        if what < 0:
            stage = -1 - what
            done.submitted[stage] = now
            for task in range(len(work.stages[stage].tasks)):
                heapq.heappush(ready, (now, stage, task))
        else:
            heapq.heappush(free, what)
            stage, task = running.pop(what)
            held[slots[what]] -= work.stages[stage].tasks[task].mib
            left[stage] -= 1
            if not left[stage]:
                done.completed[stage] = now
                for number, each in enumerate(work.stages):
                    if stage in each.parents and all(parent in done.completed for parent in each.parents):
                        heapq.heappush(queue, (now + each.pause, -1 - number))
        while ready and free:
            _, stage, task = heapq.heappop(ready)
            slot = heapq.heappop(free)
            running[slot] = stage, task
            end = now + work.stages[stage].tasks[task].seconds
            heapq.heappush(queue, (end, slot))
            executor = slots[slot]
            done.launches.append((stage, task, executor, now, end))
            held[executor] += work.stages[stage].tasks[task].mib
            done.peaks[executor] = max(done.peaks.get(executor, 0.0), held[executor])
    return done


def events(work: Job, done: Run, *, executors: int, cores: int, heap_mib: int) -> Iterator[Event]:
    """Yield the event log of a run, as Spark writes it."""
    properties = {
        "spark.executor.memory": f"{heap_mib}m",
        "spark.executor.cores": str(cores),
        "spark.kubernetes.resource.type": "java",
    }
    yield {"Event": "SparkListenerEnvironmentUpdate", "Spark Properties": properties}
    yield {"Event": "SparkListenerApplicationStart", "Timestamp": _ms(-5)}
    for number in range(executors):
        about = {"Total Cores": cores, "Resource Profile Id": 0}
        yield {
            "Event": "SparkListenerExecutorAdded",
            "Timestamp": _ms(-1 + number / 100),
            "Executor ID": str(number),
            "Executor Info": about,
        }
    for number, (stage, task, executor, start, end) in enumerate(done.launches):
        yield {
            "Event": "SparkListenerTaskEnd",
            "Stage ID": stage,
            "Stage Attempt ID": 0,
            "Task Info": {
                "Task ID": number,
                "Launch Time": _ms(start),
                "Finish Time": _ms(end),
                "Executor ID": str(executor),
            },
            "Task Executor Metrics": {"JVMHeapMemory": int(done.peaks[executor] * MIB), "JVMOffHeapMemory": 90 * MIB},
            "Task Metrics": {
                "Executor Run Time": int(1000 * (end - start)),
                "Peak Execution Memory": int(work.stages[stage].tasks[task].mib / 4 * MIB),
            },
        }
    for stage, submitted in done.submitted.items():
        times = {"Submission Time": _ms(submitted), "Completion Time": _ms(done.completed[stage])}
        yield {
            "Event": "SparkListenerStageCompleted",
            "Stage Info": {"Stage ID": stage, "Parent IDs": list(work.stages[stage].parents), **times},
        }
    yield {"Event": "SparkListenerApplicationEnd", "Timestamp": _ms(max(done.completed.values()) + 1)}


def _ms(seconds: float) -> int:
    return round(1000 * (BEGAN + seconds))


def usd(seconds: float, *, executors: int, cores: int, memory_mib: int) -> float:
    """Return what a run costs with pods of such a size."""
    driver, each = (
        pod_usd_per_hour(cpu, mib, RATES, arch="", spot=False)
        for cpu, mib in (("1", pod_mib("1g")), (str(cores), memory_mib))
    )
    return (driver + executors * each) * seconds


def cheapest(work: Job, *, slots: int, limit: float) -> float:
    """Return the price of the cheapest shape that takes no longer than `limit` seconds, by trying all there are.

    Fewer executors than such that took too long are not tried.
    """
    assert SIZES is not None
    prices = []
    for milli, amounts in SIZES.memory_mib.items():
        cores = milli // 1000
        for executors in range(slots // cores if cores else 0, 0, -1):
            done = run(work, executors=executors, cores=cores)
            if done.seconds > limit:
                break
            needed = pod_mib(f"{max(512, round(max(done.peaks.values())))}m")
            if needed <= amounts[-1]:
                prices.append(usd(done.seconds, executors=executors, cores=cores, memory_mib=needed))
    return min(prices)


def written(found: Iterable[Event]) -> bytes:
    """Return an event log's content, as Spark's JSON has no spaces."""
    return "".join(f"{json.dumps(each, separators=(',', ':'))}\n" for each in found).encode()
