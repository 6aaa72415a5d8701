"""Resync: what heals everything that got lost, on a schedule.

Pods that wait are tried again, tasks that live are asked for, those that run out of time are stopped, and
tasks that belong to no pod end. Locally a loop calls run() every few seconds; on AWS a schedule every minute.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from chalicelib.apimachinery.accessors import is_deleting, is_terminal, status_of
from chalicelib.apimachinery.rules.time import find_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.index import IndexedPod, PodIndex
from chalicelib.controllers.podmodel.probe import probes_of
from chalicelib.controllers.podmodel.record import handle_of, lost_task
from chalicelib.controllers.podmodel.refusals import is_driver
from chalicelib.controllers.podmodel.status import deadline
from chalicelib.controllers.pods.controller import PodController
from chalicelib.controllers.pods.removed import RemovedPods
from chalicelib.controllers.pods.store import ignore
from chalicelib.controllers.pods.tasks import ask, stop_orphan
from chalicelib.controllers.runtime.background import Later
from chalicelib.controllers.runtime.one_by_one import OneByOne
from chalicelib.providers.base import Provider, TaskState

LOG = logging.getLogger(__name__)

FEW = 20  # pods that wait: as many launches are a second of this process
STEP = 100  # pods compared with their tasks before a run may be broken off
BATCH = 200  # pods for one function: 20 seconds of its processor
MOST = 800  # in a run: what ECS starts until the next, at 20 a second


@dataclass(frozen=True, slots=True)
class ResyncTimes:
    """When a resync may believe what it sees, in seconds."""

    settle: float = 5.0  # a younger pod is still being started by the request that brought it
    lost: float = 60.0  # a provider may need that long until it knows what it has just started
    orphan: float = 120.0  # a younger task may be the one that its pod is just being given
    abandoned: float = 300.0  # past its grace, a deleting pod of another node is given up


class Resync:
    """Compares all pods with all tasks. One run() at a time; safe beside requests and other processes."""

    def __init__(
        self,
        *,
        index: PodIndex,
        provider: Provider,
        pods: PodController,
        removed: RemovedPods,
        clock: Callable[[], datetime],
        follow: Callable[[JSON], None] = ignore,
        later: Later,
        launch_elsewhere: Callable[[Sequence[str]], bool] | None = None,
        times: ResyncTimes | None = None,
    ) -> None:
        self._index = index
        self._provider = provider
        self._pods = pods
        self._removed = removed
        self._follow = follow
        self._clock = clock
        self._later = later
        self._launch_elsewhere = launch_elsewhere
        self._times = times or ResyncTimes()
        self._syncing: set[str] = set()  # uids of pods whose sync has not ended since an earlier run
        self._missed: set[str] = set()  # handles of tasks that the provider did not know when it was last asked
        self._compared: str = ""  # the key of the pod that the last run came to; "" at the end
        # By uid, of pods that need no reading until they change: their revision, and whether their task is asked for.
        self._quiet: dict[str, tuple[int, bool]] = {}

    def run(self) -> Iterator[None]:
        """Heal what can be healed now, in steps; what the provider refuses waits for the next run.

        Pods that wait come first, in the order of their creation. A run that is broken off between two steps is gone
        on with by the next one, after what waits by then. Raises at the end what went wrong first: ProviderUnavailable
        if some tasks could not be asked for.
        """
        each_alone = OneByOne()
        waiting: list[tuple[str, IndexedPod]] = []  # with when they were created
        living: list[IndexedPod] = []
        quiet: dict[str, tuple[int, bool]] = {}
        for each in self._index.look().unfinished:
            revision, lives = known = self._quiet.get(each.uid, (0, False))
            if revision == each.revision:
                quiet[each.uid] = known
                living += [each] if lives else []
                continue
            # One at a time: an object takes seven times its text, and those of 10,000 would be too large for Lambda.
            pod = each.object()
            lives = each_alone(partial(self._sync_pod, pod), default=bool(each.handle))
            if lives:
                living.append(each)
                self._follow(pod)  # also one that another process has started or changed
            elif self._is_waiting(pod):
                waiting.append((str(pod["metadata"].get("creationTimestamp")), each))
            if self._is_quiet(pod):
                quiet[each.uid] = (each.revision, lives)
        self._quiet = quiet
        waiting.sort(key=lambda each: each[0])
        self._launch([each for _, each in waiting])
        yield
        self._missed &= {each.handle for each in living}
        living.sort(key=lambda each: (each.key <= self._compared, each.key))
        for start in range(0, len(living), STEP):
            some = living[start : start + STEP]
            self._compare(some, each_alone)
            self._compared = some[-1].key
            yield
        self._compared = ""
        each_alone.end()

    def _sync_pod(self, pod: JSON) -> bool:
        """Do what a pod needs on its own; return whether its task is to be asked for."""
        if not self._pods.is_ours(pod):
            deleted = find_time(pod["metadata"].get("deletionTimestamp"))
            if deleted is not None and self._has_passed(deleted, self._times.abandoned):
                self._pods.give_up(pod)
            return False
        if is_deleting(pod):
            self._sync(pod)
            return bool(handle_of(pod))
        if is_terminal(pod):
            return False
        if self._is_overdue(pod):
            self._pods.stop_overdue(pod)
        self._pods.end_driver(pod)
        if not handle_of(pod):
            return False
        self._pods.stop_sidecars(pod)  # again, should the first word have been lost
        return True

    def _is_quiet(self, pod: JSON) -> bool:
        """Return whether, until it is written again, all that a pod may need is a look at its task."""
        if not self._pods.is_ours(pod):
            return not is_deleting(pod)
        may_end = is_driver(pod) or pod["spec"].get("initContainers") or deadline(pod) or any(probes_of(pod))
        return not (is_deleting(pod) or may_end or self._pods.is_to_launch(pod))

    def _is_overdue(self, pod: JSON) -> bool:
        end = deadline(pod)
        return end is not None and self._clock() >= end

    def _is_waiting(self, pod: JSON) -> bool:
        """Return whether a pod is to be launched now: nobody does, and it is not too soon after a failure."""
        if not self._pods.is_to_launch(pod) or self._is_overdue(pod):
            return False
        metadata, now = pod["metadata"], self._clock()
        is_free = metadata["uid"] not in self._syncing and self._pods.backoff.is_due(metadata["uid"], now)
        return is_free and self._has_passed(find_time(metadata.get("creationTimestamp")), self._times.settle)

    def _launch(self, waiting: Sequence[IndexedPod]) -> None:
        """Launch pods: beside this thread, or many by functions of their own, those that have waited longest."""
        handed, most = 0, min(len(waiting), MOST)
        if self._launch_elsewhere is not None and len(waiting) > FEW:
            while handed < most and self._launch_elsewhere([each.key for each in waiting[handed:most][:BATCH]]):
                handed = min(handed + BATCH, most)
        for each in waiting[:handed]:
            self._pods.backoff.postpone(each.uid, self._clock())
        for each in waiting[handed:] if handed < most else ():
            self._sync(each.object())

    def _sync(self, pod: JSON) -> None:
        """Sync a pod beside this thread, unless that is still being done or too soon after a failure."""
        uid = pod["metadata"]["uid"]
        if uid in self._syncing or not self._pods.backoff.is_due(uid, self._clock()):
            return
        self._syncing.add(uid)

        def work() -> None:
            try:
                self._pods.sync(pod)
            finally:
                self._syncing.discard(uid)

        self._later(work)

    def _compare(self, pods: Sequence[IndexedPod], each_alone: OneByOne) -> None:
        """Observe the present states of these pods' tasks; one that is not known (any more) is lost.

        One answer without the task proves nothing: what a provider shows may be late. The next one does.
        """
        by_handle = {each.handle: each for each in pods}
        handles = list(by_handle)
        answer = ask(partial(self._provider.describe, handles), handles)
        each_alone.failed(answer.refused)
        for state in answer.states:
            told = by_handle.pop(state.handle, None)
            self._missed.discard(state.handle)
            if told is not None and (told.is_deleting or state.version != told.version):
                each_alone(partial(self._pods.observe, state), default=None)
        for handle, untold in by_handle.items():
            pod = untold.object()
            started = find_time(status_of(pod).get("startTime"))
            if handle in answer.untold or not self._has_passed(started, self._times.lost):
                continue
            if handle in self._missed:
                each_alone(partial(self._pods.observe, lost_task(pod, now=self._clock())), default=None)
            self._missed.add(handle)

    def _has_passed(self, since: datetime | None, seconds: float) -> bool:
        """Return whether a moment is so long ago; an unknown one is."""
        return since is None or self._clock() - since >= timedelta(seconds=seconds)

    def stop_orphans(self) -> None:
        """Stop tasks that no pod stands for, and forget those that have ended. Raises at the end as run() does."""
        each_alone = OneByOne()
        each_alone(self._removed.sweep, default=None)
        living = {each.handle for each in self._index.look().unfinished if not each.ending}
        told = ask(partial(self._provider.list_tasks, living))
        each_alone.failed(told.refused)
        snapshot = self._index.look()  # after the tasks: a pod is stored before its task is run
        for state in told.states:
            if not _is_as_it_should_be(snapshot.by_uid.get(state.uid), state):
                each_alone(partial(self._judge, state), default=None)
        each_alone.end()

    def _judge(self, state: TaskState) -> None:
        """Adopt or stop a task that is not the one of a pod that lives, by what is stored now."""
        pod = self._pods.find(state.uid)
        if pod is not None and not is_terminal(pod) and not handle_of(pod):
            self._pods.observe(state)  # started, but the handle was never saved: adopt it
            return
        if pod is not None and handle_of(pod) == state.handle:
            if is_terminal(pod) and state.phase != "stopped":
                stop_orphan(self._provider, state)
            return
        # A pod that lives may have been given another task a moment ago. One that is gone, or over, gets none any more.
        if pod is None or is_terminal(pod) or self._has_passed(state.created_at, self._times.orphan):
            LOG.warning("task belongs to no pod uid=%s task=%s phase=%s", state.uid, state.handle, state.phase)
            if pod is not None and handle_of(pod):
                self._removed.record_second(pod, state)
            elif pod is not None:
                self._removed.keep_ended(pod)
            self._removed.observe(state)
            stop_orphan(self._provider, state)


def _is_as_it_should_be(pod: IndexedPod | None, state: TaskState) -> bool:
    """Return whether a task is its pod's, and lives no longer than that."""
    if pod is None:
        return False
    return pod.handle == state.handle and (not pod.ending or state.phase == "stopped")
