"""Faults put into the code on purpose: the simulation finds each of them, or it proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import chalicelib.controllers.podmodel.record as pod_record
from chalicelib.controllers.cost.budget_enforcer import BudgetEnforcer
from chalicelib.controllers.cost.usage_records import UsageRecords
from chalicelib.controllers.lifecycle.garbage import Garbage
from chalicelib.controllers.pods.parking import ParkedTasks
from chalicelib.controllers.pods.records import PodRecords
from chalicelib.controllers.pods.removed import RemovedPods
from chalicelib.controllers.pods.resync import Resync
from chalicelib.providers.base import Task, TaskState
from chalicelib.registry.watch import Watch
from tests.simulation.tasks import LivingTasks

Any_ = Callable[..., Any]  # Any: whatever stands in for a function of any kind


class Patch(Protocol):
    """Replaces an attribute, as pytest's monkeypatch does."""

    def setattr(self, target: object, name: str, value: object) -> None:
        """Set it until the test is over."""
        ...


def no_stale_guard(patch: Patch) -> None:
    """A report is taken in whatever its version."""
    patch.setattr(pod_record, "is_newer", lambda pod, state: pod_record.handle_of(pod) in ("", state.handle))


def no_budgets(patch: Patch) -> None:
    """Nobody ends what has spent its budget."""
    patch.setattr(BudgetEnforcer, "sweep", lambda _: None)


def no_launch_token(patch: Patch) -> None:
    """A task is started again although it has been started."""
    run, numbers = LivingTasks.run, iter(range(1_000_000))

    def run_anew(self: LivingTasks, task: Task) -> TaskState:
        return run(self, replace(task, attempt=next(numbers)))

    patch.setattr(LivingTasks, "run", run_anew)


def no_usage_at_removal(patch: Patch) -> None:
    """What a pod has used is forgotten with it."""
    patch.setattr(UsageRecords, "before_delete", lambda *_: None)
    patch.setattr(PodRecords, "before_removal", lambda *_: ())


def no_orphans_stopped(patch: Patch) -> None:
    """Nobody looks for tasks without a pod."""
    patch.setattr(Resync, "stop_orphans", lambda _: None)


def no_resync(patch: Patch) -> None:
    """Nobody asks for tasks whose reports were lost."""
    patch.setattr(Resync, "_compare", lambda *_: None)


def lost_at_once(patch: Patch) -> None:
    """A task that is not shown once counts as lost."""

    class Everything(set[str]):
        def __contains__(self, _: object) -> bool:
            return True

        def __iand__(self, _: object) -> Everything:  # it stays everything
            return self

    init: Any_ = Resync.__init__

    def init_forgetful(self: Resync, **parts: Any) -> None:  # Any: as Resync's
        init(self, **parts)
        self._missed = Everything()
        self._times = replace(self._times, lost=0.0)

    patch.setattr(Resync, "__init__", init_forgetful)


def no_pod_kept_aside(patch: Patch) -> None:
    """What tells whose task one is goes with the pod."""
    patch.setattr(RemovedPods, "before_removal", lambda *_: ())


def a_watch_skips(patch: Patch) -> None:
    """A watch passes over what is written at every seventh revision."""
    frame = Watch._frame
    patch.setattr(Watch, "_frame", lambda self, event: frame(self, event) if event.revision % 7 else None)


def no_garbage(patch: Patch) -> None:
    """What a removed object owned stays."""
    patch.setattr(Garbage, "owner_gone", lambda *_: None)
    patch.setattr(Garbage, "sweep", lambda *_: None)


def nothing_given_back(patch: Patch) -> None:
    """Parked pods stay when their driver has ended."""
    patch.setattr(ParkedTasks, "_give_back", lambda *_: None)


MUTANTS: tuple[Callable[[Patch], None], ...] = (
    no_stale_guard,
    no_budgets,
    no_launch_token,
    no_usage_at_removal,
    no_orphans_stopped,
    no_resync,
    lost_at_once,
    no_pod_kept_aside,
    a_watch_skips,
    no_garbage,
    nothing_given_back,
)
