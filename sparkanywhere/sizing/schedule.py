"""How long a run's stages would have taken with another number of slots. Pure.

A stage begins as long after the stages that it reads from were done as it did in the run. One that names none, or none
that ran, is the driver program's next step: it waits for all that were done when it was submitted. Tasks take the next
free slot in the order in which they were launched, as Spark's FIFO scheduler has it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sparkanywhere.sizing.run_profile import Stage


@dataclass(frozen=True, slots=True)
class Work:
    """A stage as the schedule sees it: times since the first submission, and the seconds of its tasks."""

    submitted: float
    completed: float
    parents: Sequence[int]  # places, in the list of all, of those it waits for; empty: all that were done
    tasks: Sequence[float]


def work_of(stages: Mapping[tuple[int, int], Stage]) -> list[Work]:
    """Return stages, by id and attempt, in the order of their submission."""
    ordered = sorted(stages.items(), key=lambda each: (each[1].submitted, each[1].completed))
    begun = ordered[0][1].submitted if ordered else 0.0
    places: dict[int, int] = {}
    work: list[Work] = []
    for place, ((number, _), stage) in enumerate(ordered):
        parents = [places[each] for each in stage.parents if each in places]
        parents = [each for each in parents if work[each].completed <= stage.submitted - begun]
        work.append(Work(stage.submitted - begun, stage.completed - begun, parents, stage.ordered()))
        places[number] = place
    return work


def seconds_with(work: Sequence[Work], slots: int) -> float:
    """Return how long all stages take with so many slots, at least one."""
    free = [0.0] * slots  # when each slot is free, a heap
    running: list[tuple[float, float]] = []  # (when the stage was done in the run, and is by this schedule)
    ends: list[float] = []
    done = done_then = 0.0
    for stage in work:
        while running and running[0][0] <= stage.submitted:
            done_then, end = heapq.heappop(running)
            done = max(done, end)
        after, after_then = done, done_then
        if stage.parents:
            after = max(ends[each] for each in stage.parents)
            after_then = max(work[each].completed for each in stage.parents)
        ready = end = after + stage.submitted - after_then
        for seconds in stage.tasks:
            at = max(free[0], ready) + seconds
            heapq.heapreplace(free, at)
            end = max(end, at)
        heapq.heappush(running, (stage.completed, end))
        ends.append(end)
    return max(ends, default=0.0)


def fewest_slots(slots: int, is_quick_enough: Callable[[int], bool]) -> int:
    """Return the smallest number of slots, at most `slots`, that is quick enough; `slots` itself is taken to be."""
    low, high = 0, slots
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_quick_enough(middle) else (middle, high)
    return high
