"""What is told of a run's executors: figures, and advice on their size; for people and, as a record, for programs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chalicelib.apimachinery.accessors import spec_of
from chalicelib.apimachinery.types import JSON
from chalicelib.providers import registry
from chalicelib.providers.registry import reference_prices
from sparkanywhere.client.access import Target
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.jobs.application_record import Record
from sparkanywhere.sizing.advice import SLOWER, Advice, advise
from sparkanywhere.sizing.event_stream import events
from sparkanywhere.sizing.log_files import log_files
from sparkanywhere.sizing.run_profile import HEAP, RunProfile, profile
from sparkanywhere.sizing.shape import MARGIN

AFTER_RUN_BYTES = 48 * 1024**2  # of a log, decompressed, that `run` looks at by itself: some 8,000 tasks
ASKED_BYTES = 2 * 1024**3  # that `advise` reads


@dataclass(frozen=True, slots=True)
class Report:
    """A measured run and what to make of it."""

    run: RunProfile
    advice: Advice


def report(
    client: KubeClient,
    target: Target,
    driver: JSON,
    *,
    ids: Iterable[str],
    place: str = "",
    conf: Mapping[str, str] | None = None,
    most_bytes: int,
) -> Report:
    """Return what the event log of an application tells; `conf` are settings of it that its driver need not tell.

    Its provider's prices and sizes count; those that every pod's cost is told by, where that is not known. Raises
    LogUnreadable, FileFailed, ApiError, ApiUnreachable.
    """
    files = log_files(client, target, driver, ids=ids, place=place, conf=conf or {}, environ=os.environ)
    run = profile(events(files, most_bytes=most_bytes))
    provider = registry.of_node(str(spec_of(driver).get("nodeName", "")))
    if provider is None:
        prices = reference_prices()
        return Report(run, advise(run, price_list=prices, sizes=prices.rates.sizes))
    prices_of = provider.price_list
    return Report(run, advise(run, price_list=prices_of() if prices_of else None, sizes=provider.sizes))


def record(found: Report) -> Record:
    """Return a report's fields: docs/jobs.md lists them."""
    run, advice, totals = found.run, found.advice, found.run.totals
    return {
        "seconds": round(run.seconds, 1),
        "stages": len(run.stages),
        "tasks": totals.tasks,
        "failed_tasks": totals.failed,
        "executors": len(run.executors),
        "core_seconds": round(run.core_seconds, 1),
        "task_seconds": round(run.busy_seconds, 1),
        "peak_heap_mib": _rounded(run.peak(HEAP)),
        "peak_beside_heap_mib": _rounded(_beside(run)),
        "gc_share": round(totals.gc_share, 3) if totals.run_seconds else None,
        "spilled_mib": round(totals.spilled_mib, 1),
        "spilled_to_disk_mib": round(totals.spilled_disk_mib, 1),
        "skew": round(run.skew, 1),
        "input_mib": round(totals.input_mib, 1),
        "shuffle_mib": round(totals.shuffle_mib, 1),
        "advice": advice.sentences,
        "options": advice.options or None,
        "share": round(advice.share, 3) if advice.shape else None,
        "no_advice": advice.reason or None,
    }


def lines(found: Report) -> Iterable[str]:
    """Yield a report as people read it."""
    run, advice, totals = found.run, found.advice, found.run.totals
    heap = run.properties.get("spark.executor.memory", "1g")
    seen = f"{_size(run.peak(HEAP))} of {heap} at most, and {_size(_beside(run))} beside it"
    yield f"Heap:     {seen if run.is_memory_known else 'not sampled'}"
    yield f"GC:       {totals.gc_share:.0%} of the tasks' time"
    spilled = f"{_size(totals.spilled_mib)} of memory, {_size(totals.spilled_disk_mib)} on disk"
    yield f"Spilled:  {spilled if totals.spilled_mib else 'nothing'}"
    busy = run.busy_seconds / run.core_seconds if run.core_seconds else 0.0
    yield f"Cores:    {busy:.0%} of {run.core_seconds:.0f} core-seconds had a task"
    each = totals.input_mib / totals.tasks if totals.tasks else 0.0
    yield (
        f"Tasks:    {totals.tasks} in {len(run.stages)} stages, up to {run.skew:.1f} times the median of theirs;"
        f" {_size(each)} of input each"
    )
    yield from advice.sentences
    if advice.shape:
        yield f"It has {MARGIN - 1:.0%} more memory than this run used, and may take {SLOWER - 1:.0%} longer."
    else:
        yield f"No advice on the shape: {advice.reason}."


def _beside(run: RunProfile) -> float:
    return max((each.beside_mib for each in run.executors.values()), default=0.0)


def _rounded(mib: float) -> float | None:
    return round(mib, 1) if mib else None


def _size(mib: float) -> str:
    return f"{mib / 1024:.1f} GiB" if mib >= 1024 else f"{mib:.0f} MiB"
