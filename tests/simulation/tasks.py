"""The fake provider with a life of its own: tasks begin, end and vanish by themselves, and reports go astray."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random

from chalicelib.providers.base import Task, TaskState
from tests.fake_provider import FakeProvider
from tests.simulation.weather import LATE_SECONDS, Sky

START_SECONDS = (1, 3, 10, 30)
FETCH_SECONDS = 5  # a reserved task asks so often what it has become
LIFE_SECONDS = {"driver": (40, 300), "executor": (20, 400), "": (5, 90)}  # by Spark's role
STOP_SECONDS = 20  # that a task takes to end at most, within its grace
CODES = (0, 0, 0, 0, 1, 137)
EXECUTOR, DRIVER = "executor", "driver"


@dataclass(frozen=True, slots=True)
class Habits:
    """Shares of tasks that do not simply run and end, and how late the provider shows a new one."""

    fails: float  # it ends before it begins, for what passes
    vanishes: float  # it is gone without a word
    is_interrupted: float
    unseen_seconds: int


def drawn_habits(draw: Random) -> Habits:
    """Return a seed's."""
    return Habits(
        fails=draw.choice((0.0, 0.1)),
        vanishes=draw.choice((0.0, 0.0, 0.15)),
        is_interrupted=draw.choice((0.0, 0.1)),
        unseen_seconds=draw.choice((0, 5, 20)),
    )


class LivingTasks(FakeProvider):
    """Tasks that live by the timeline. `report` gets each new state as often, and as late, as the weather has it.

    `has_become` says whether a reserved task has been given to a pod, as its payload would.
    """

    def __init__(self, sky: Sky, report: Callable[[TaskState], None], has_become: Callable[[str], bool]) -> None:
        super().__init__(clock=sky.timeline.clock, hold_pending=True)
        self.last: dict[str, TaskState] = {}  # of every task that there was, what was true of it last
        self.kinds: dict[str, dict[str, str]] = {}  # of every task the labels of what it runs
        self._bound: set[str] = set()  # handles of tasks that may have become another pod's
        self.habits = Habits(0.0, 0.0, 0.0, 0)
        self._sky, self._report, self._has_become = sky, report, has_become
        self._due = sky.timeline.after
        self._draw = sky.draw

    def run(self, task: Task) -> TaskState:
        """Start the task, or find it; a new one begins by itself."""
        before = len(self.tasks)
        state = super().run(task)
        if len(self.tasks) > before:
            self._sky.timeline.note(f"task {state.handle} of {task.name}")
            self.kinds[state.handle] = dict(task.labels)
            self._due(self._draw.choice(START_SECONDS), lambda: self._start(state.handle))
        return state

    def _first_state(self, task: Task, handle: str) -> TaskState:
        """Return a new task's; one that will find no capacity never pulls, nor is it paid for."""
        state = super()._first_state(task, handle)
        return replace(state, times=()) if self._draw.random() < self.habits.fails else state

    def bind(self, handle: str, task: Task) -> TaskState:
        """Let a reserved task become another one."""
        state = super().bind(handle, task)
        self._bound.add(handle)
        if self._entries[handle].waits:
            self.kinds[handle] = dict(task.labels)
        return state

    def _start(self, handle: str) -> None:
        entry = self._entries.get(handle)
        if entry is None or entry.state.phase != "pending":
            return
        if entry.waits and not self._has_become(entry.state.uid):
            self._due(FETCH_SECONDS, lambda: self._start(handle))
            return
        if not entry.state.times:
            why = {"passing": "NoCapacity", "message": "no capacity", "reason": "NoCapacity"}
            self._change(handle, phase="stopped", stopped_at=self._clock(), **why)
            return
        self.begin(handle)
        role = self.kinds[handle].get("spark-role", "")
        shortest, longest = LIFE_SECONDS.get(role, LIFE_SECONDS[""])
        end = self._draw.randrange(shortest, longest)
        self._due(end, lambda: self._end(handle))
        if self._draw.random() < self.habits.is_interrupted:
            self._due(end // 2, lambda: self._interrupt(handle))

    def _runs(self, handle: str) -> bool:
        return handle in self._entries and self._entries[handle].state.phase == "running"

    def _interrupt(self, handle: str) -> None:
        if self._runs(handle):
            self._change(handle, interrupted=True)

    def _end(self, handle: str) -> None:
        if not self._runs(handle):
            return
        if self._draw.random() < self.habits.vanishes:
            self._sky.timeline.note(f"task {handle} vanishes")
            super().remove(handle)
            self.last[handle] = self.forgotten[-1]
        else:
            self.finish(handle, self._draw.choice(CODES))
        if self.kinds[handle].get("spark-role") == DRIVER:
            self._orphan_executors(handle)

    def _orphan_executors(self, driver: str) -> None:
        """Have executors notice that their driver has ended."""
        application = self.kinds[driver].get("spark-app-selector")
        for handle, labels in self.kinds.items():
            if labels.get("spark-app-selector") == application and labels.get("spark-role") == EXECUTOR:
                self._due(self._draw.randrange(1, 30), partial(self._leave, handle))

    def _leave(self, handle: str) -> None:
        if self._runs(handle):
            self.finish(handle, 1)

    def _tell(self, handle: str) -> None:
        state, weather = self._entries[handle].state, self._sky.weather
        if self.last.get(handle) is None or self.last[handle].phase != state.phase:
            self._sky.timeline.note(f"task {handle} is {state.phase}")
        self.last[handle] = state
        copies = 0 if self._sky.strikes(weather.drop) else 1 + self._sky.strikes(weather.double)
        for _ in range(copies):
            delay = self._draw.randrange(LATE_SECONDS) if self._sky.strikes(weather.late) else self._draw.randrange(2)
            self._due(delay, lambda: self._report(state))

    def stop(self, handle: str, *, grace_seconds: float, reason: str = "") -> None:
        """Ask the task to end, which takes it a while."""
        entry = self._entry(handle)
        self.stops.append((handle, grace_seconds))
        if entry.state.phase == "stopped":
            return
        delay = min(int(grace_seconds), self._draw.randrange(STOP_SECONDS)) if entry.state.phase == "running" else 0
        self._due(delay, lambda: self._stop(handle, reason))

    def _stop(self, handle: str, reason: str) -> None:
        entry = self._entries.get(handle)
        if entry is not None and entry.state.phase != "stopped":
            self.finish(handle, self._draw.choice((0, 143, 137)) if self._runs(handle) else 143)
            self._change(handle, reason=reason)

    def remove(self, handle: str) -> None:
        """Forget the task, and end it if it runs."""
        if handle in self._entries:
            self._sky.timeline.note(f"task {handle} is removed")
            super().remove(handle)
            self.last[handle] = self.forgotten[-1]

    def describe(self, handles: Sequence[str]) -> list[TaskState]:
        """Return the states of those that are shown by now."""
        return [each for each in super().describe(handles) if self._is_shown(each)]

    def list_tasks(self, known: Collection[str] = ()) -> list[TaskState]:
        """Return the states of those that are shown by now."""
        return [each for each in super().list_tasks(known) if self._is_shown(each)]

    def _is_shown(self, state: TaskState) -> bool:
        age = self._clock() - (state.created_at or self._clock())
        return age.total_seconds() >= self.habits.unseen_seconds

    def of_application(self, selector: str) -> list[TaskState]:
        """Return the last states of an application's tasks, but for those that have ever been bound."""
        return [
            state
            for handle, state in self.last.items()
            if handle not in self._bound and self.kinds[handle].get("spark-app-selector") == selector
        ]

    def lived_seconds(self, state: TaskState) -> float:
        """Return for how long a task has been paid for."""
        begun = dict(state.times).get("pull_started")
        end = state.stopped_at if state.phase == "stopped" else None
        return ((end or self._clock()) - begun).total_seconds() if begun else 0.0

    def living(self) -> list[TaskState]:
        """Return, whatever is shown, the tasks that have not ended."""
        return [each.state for each in self._entries.values() if each.state.phase != "stopped"]

    def known(self) -> list[TaskState]:
        """Return, whatever is shown, all tasks that have not been removed."""
        return [each.state for each in self._entries.values()]
