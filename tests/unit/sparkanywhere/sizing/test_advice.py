"""Advice on sizes: near the optimum of jobs whose every task is known, and silent where it cannot be sure."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.providers.registry import reference_prices
from sparkanywhere.jobs.memory_size import pod_mib
from sparkanywhere.sizing.advice import SLOWER, Advice, advise
from sparkanywhere.sizing.event_stream import Event
from sparkanywhere.sizing.run_profile import RunProfile, profile
from tests.unit.sparkanywhere.sizing import synthetic
from tests.unit.sparkanywhere.sizing.synthetic import MIB, SIZES, Job, Stage, Task

JOBS = 200
WORST, USUAL = 1.30, 1.12  # of the price of the cheapest shape there is: of any job, and of nineteen in twenty
OFF = 1.03  # by which the advisor's schedule may be off
LONG = Stage((), 0.0, tuple(Task(30.0, 100.0) for _ in range(8)))
SMALL = Job((LONG,), 100.0)


def advice_of(run: RunProfile, *, is_free: bool = False) -> Advice:
    return advise(run, price_list=None if is_free else reference_prices(), sizes=None if is_free else SIZES)


def shapes(seed: int) -> tuple[int, int, int]:
    """Return executors, cores and heap of a run."""
    chance = random.Random(-1 - seed)
    return chance.choice([2, 3, 4, 8, 12]), chance.choice([1, 2, 4]), chance.choice([2, 4, 8, 14]) * 1024


def test_advice_is_near_the_optimum_and_never_slower_or_out_of_memory() -> None:
    ratios, slow, short, spoken = [], [], [], 0
    for seed in range(JOBS):
        executors, cores, heap = shapes(seed)
        work = synthetic.job(seed)
        done = synthetic.run(work, executors=executors, cores=cores)
        heap = max(heap, round(max(done.peaks.values()) * 1.1))
        found = synthetic.events(work, done, executors=executors, cores=cores, heap_mib=heap)
        advice = advice_of(profile(found))
        if done.seconds < 60:
            assert advice.shape is None
            continue
        usd = synthetic.usd(done.seconds, executors=executors, cores=cores, memory_mib=pod_mib(f"{heap}m"))
        if shape := advice.shape:
            spoken += 1
            then = synthetic.run(work, executors=shape.executors, cores=shape.cores)
            if then.seconds > SLOWER * OFF * done.seconds:
                slow.append(seed)
            if max(then.peaks.values()) > shape.heap_mib:
                short.append(seed)
            size = {"executors": shape.executors, "cores": shape.cores, "memory_mib": shape.memory_mib}
            usd = synthetic.usd(then.seconds, **size)
        best = synthetic.cheapest(work, slots=executors * cores, limit=SLOWER * done.seconds)
        ratios.append(usd / best)

    assert (slow, short) == ([], [])
    assert spoken > JOBS / 2
    assert max(ratios) < WORST
    assert sorted(ratios)[len(ratios) * 19 // 20] < USUAL


def log(
    work: Job = SMALL, properties: Mapping[str, str] = {}, *, executors: int = 4, cores: int = 4, heap_mib: int = 6144
) -> list[Event]:
    """Return the events of a run that has four times the cores that it needs."""
    done = synthetic.run(work, executors=executors, cores=cores)
    found = list(synthetic.events(work, done, executors=executors, cores=cores, heap_mib=heap_mib))
    found[0]["Spark Properties"] |= properties
    return found


def changed(found: list[Event], kind: str, **parts: dict[str, Any]) -> list[Event]:
    """Return events of which those of a kind have more in some of their parts."""
    names = {name: name.replace("_", " ") for name in parts}
    return [
        {**each, **{names[name]: {**each[names[name]], **more} for name, more in parts.items()}}
        if each["Event"] == f"SparkListener{kind}"
        else each
        for each in found
    ]


def test_a_sentence_has_the_price_the_size_and_the_options_that_make_it() -> None:
    two = replace(SMALL, stages=(LONG, replace(LONG, parents=(0,))))

    advice = advice_of(profile(log(two)))

    assert advice.sentence == (
        "The same time for 53% of the price: 2 x 4 vCPU/8 GB"
        " (--executors 2 --executor-cores 4 --executor-memory 7424m)."
    )
    assert advice.beside == "By price alone, not measured here: --arch arm64 42%, and --spot 16%."
    assert advice.sentences == [advice.sentence, advice.beside]


def test_where_nothing_is_paid_cores_and_memory_are_compared() -> None:
    advice = advice_of(profile(log(TWICE)), is_free=True)

    assert advice.sentence == (
        "The same time with 8 cores and 2.2 GiB in place of 16 cores and 26.4 GiB"
        ": 2 x 4 vCPU/1.125 GB (--executors 2 --executor-cores 4 --executor-memory 768m)."
    )
    assert advice.sentences == [advice.sentence]


def test_nothing_is_said_of_a_shape_that_is_right() -> None:
    advice = advice_of(profile(log(TWICE, executors=2, cores=4, heap_mib=6144)))

    assert (advice.shape, advice.sentences) == (None, [])
    assert advice.reason == "no shape is cheaper by enough for the same time"


def no_end(found: list[Event]) -> list[Event]:
    return [each for each in found if each["Event"] != "SparkListenerApplicationEnd"]


def failing(found: list[Event]) -> list[Event]:
    return changed(found, "TaskEnd", Task_Info={"Failed": True})


def with_profile(found: list[Event]) -> list[Event]:
    return changed(found, "ExecutorAdded", Executor_Info={"Resource Profile Id": 1})


def shorter(found: list[Event]) -> list[Event]:
    """Return events of stages whose tasks are done long before they are."""
    return [
        {**each, "Task Info": {**each["Task Info"], "Finish Time": each["Task Info"]["Launch Time"] + 10_000}}
        if each["Event"] == "SparkListenerTaskEnd"
        else each
        for each in found
    ]


def without_cores(found: list[Event]) -> list[Event]:
    return changed(found, "ExecutorAdded", Executor_Info={"Total Cores": 0})


TWICE = replace(SMALL, stages=(LONG, replace(LONG, parents=(0,)), replace(LONG, parents=(1,))))


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (log(), "its stages ran for 30 s: less than 60 s say too little"),
        (no_end(log(TWICE)), "it has not ended, or its log is not whole"),
        (failing(log(TWICE)), "24 of its 24 tasks failed"),
        (with_profile(log(TWICE)), "it has resource profiles of its own"),
        (shorter(log(TWICE)), "its 16 slots would explain 30 s, and it took 90 s"),
        (without_cores(log(TWICE)), "its executors cannot be understood: no executor has cores for a task"),
        (
            log(TWICE, {"spark.executor.memory": "much"}),
            "its executors cannot be understood: 'much' is not a memory size: write 512m or 4g",
        ),
    ],
    ids=["short", "unfinished", "failures", "profiles", "unexplained", "no cores", "no size"],
)
def test_there_is_no_advice_without_evidence_and_the_reason_is_said(found: list[Event], reason: str) -> None:
    advice = advice_of(profile(found))

    assert (advice.shape, advice.sentences, advice.reason) == (None, [], reason)


def test_memory_stays_as_it_was_where_it_was_not_sampled() -> None:
    unsampled = changed(log(TWICE, cores=2), "TaskEnd", Task_Executor_Metrics={"JVMHeapMemory": 0})

    known, unknown = (advice_of(profile(each)).shape for each in (log(TWICE, cores=2), unsampled))

    assert known is None or known.heap_mib < 6144
    assert unknown is None or unknown.heap_mib >= 6144


@pytest.mark.parametrize(
    ("metrics", "warning"),
    [
        (
            {"Memory Bytes Spilled": 1024 * MIB, "Disk Bytes Spilled": 200 * MIB, "Peak Execution Memory": 300 * MIB},
            "24.0 GiB of memory was spilled to disk: --executor-memory 9g would hold it, or more partitions.",
        ),
        ({"Memory Bytes Spilled": MIB, "Disk Bytes Spilled": MIB}, ""),
        ({"JVM GC Time": 6000}, "Garbage collection took 20% of the tasks' time: --executor-memory 1g gives it room."),
        ({"JVM GC Time": 1000}, ""),
    ],
    ids=["spilled", "a little", "much GC", "little GC"],
)
def test_memory_that_was_short_is_told_and_never_made_less(metrics: dict[str, int], warning: str) -> None:
    heap = 320 if "JVM GC Time" in metrics else 6144

    advice = advice_of(profile(changed(log(TWICE, heap_mib=heap), "TaskEnd", Task_Metrics=metrics)))

    assert advice.warning == warning
    assert not warning or advice.shape is None or advice.shape.heap_mib >= heap


@pytest.mark.parametrize(
    ("properties", "options"),
    [
        ({"spark.dynamicAllocation.enabled": "true"}, "--executor-cores 4 --executor-memory 7424m"),
        ({"spark.memory.offHeap.enabled": "true"}, "--executors 2 --executor-cores 4 --executor-memory 6144m"),
        ({"spark.executor.memoryOverhead": "2g"}, "--executors 2 --executor-cores 4 --executor-memory 6144m"),
        ({"spark.task.cpus": "2"}, "--executors 4 --executor-cores 4 --executor-memory 7424m"),
    ],
    ids=["Spark chooses how many", "memory off the heap", "overhead given", "two cores a task"],
)
def test_what_a_setting_decides_stays(properties: dict[str, str], options: str) -> None:
    is_as_many = {"spark.dynamicAllocation.enabled", "spark.task.cpus"} & properties.keys()
    found = log(TWICE, properties, heap_mib=24576 if is_as_many else 6144)

    assert advice_of(profile(found)).options == options


def test_what_executors_cache_needs_room_in_fewer_of_them() -> None:
    cached = {"JVMHeapMemory": 3000 * MIB, "OnHeapStorageMemory": 2000 * MIB}
    found = log(TWICE, {"spark.memory.offHeap.enabled": "true"})

    shape = advice_of(profile(changed(found, "TaskEnd", Task_Executor_Metrics=cached))).shape

    assert shape is not None
    assert shape.executors == 2  # which hold what four held
    assert shape.heap_mib >= 4 * 2000 / 2 * 1.25 / 0.6 + 300


def test_an_executor_that_was_never_full_does_not_tell_what_a_full_one_needs() -> None:
    half = {"JVMHeapMemory": 2500 * MIB}  # of executors with four cores that ran two tasks each
    found = log(TWICE, {"spark.memory.offHeap.enabled": "true"})

    shape = advice_of(profile(changed(found, "TaskEnd", Task_Executor_Metrics=half))).shape

    assert shape is not None
    assert (shape.executors, shape.cores) == (2, 4)
    assert shape.heap_mib >= 2 * 2500 * 1.25


def test_pythons_workers_keep_the_overhead_that_they_had_unless_they_were_seen() -> None:
    python = {"spark.kubernetes.resource.type": "python", "spark.kubernetes.memoryOverheadFactor": "0.4"}
    seen = {"ProcessTreeJVMRSSMemory": 900 * MIB, "ProcessTreePythonRSSMemory": 200 * MIB}
    found = log(TWICE, python, heap_mib=16384)

    blind, measured = (
        advice_of(profile(each)).shape for each in (found, changed(found, "TaskEnd", Task_Executor_Metrics=seen))
    )

    assert blind is not None
    assert blind.overhead_mib >= 6553
    assert measured is not None
    assert measured.overhead_mib < blind.overhead_mib
