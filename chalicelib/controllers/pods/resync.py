"""Resync: what heals everything that got lost, on a schedule.

Pods that wait are tried again, tasks that live are asked for, those that run out of time are stopped, and
tasks that belong to no pod end. Locally a loop calls run() every few seconds; on AWS a schedule every minute.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.apimachinery.accessors import is_deleting, is_terminal, status_of
from chalicelib.apimachinery.rules.time import find_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.record import handle_of, lost_task, version_of
from chalicelib.controllers.podmodel.status import deadline
from chalicelib.controllers.pods.controller import PodController
from chalicelib.controllers.pods.store import ignore
from chalicelib.controllers.runtime.background import Later
from chalicelib.controllers.runtime.objects import DELETING, ENDED_POD, paged
from chalicelib.providers.base import Provider, ProviderUnavailable, TaskNotFound, TaskState
from chalicelib.storage.base import Storage

LOG = logging.getLogger(__name__)

DESCRIBE_AT_ONCE = 100  # tasks a call; ECS takes no more
ORPHAN_GRACE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ResyncTimes:
    """When a resync may believe what it sees, in seconds."""

    settle: float = 5.0  # a younger pod is still being started by the request that brought it
    lost: float = 60.0  # a provider may need that long until it knows what it has just started
    orphan: float = 120.0  # a younger task may belong to a pod whose handle is being saved
    orphans_every: float = 60.0  # listing all tasks costs the provider
    abandoned: float = 300.0  # past its grace, a deleting pod of another node is given up


class Resync:
    """Compares all pods with all tasks. One run() at a time; safe beside requests and other processes."""

    def __init__(
        self,
        *,
        storage: Storage,
        provider: Provider,
        pods: PodController,
        clock: Callable[[], datetime],
        enforce_budgets: Callable[[Sequence[JSON]], None],
        follow: Callable[[JSON], None] = ignore,
        later: Later,
        times: ResyncTimes | None = None,
    ) -> None:
        self._storage = storage
        self._provider = provider
        self._pods = pods
        self._enforce_budgets = enforce_budgets
        self._follow = follow
        self._clock = clock
        self._later = later
        self._times = times or ResyncTimes()
        self._syncing: set[str] = set()  # uids of pods whose sync has not ended since an earlier run
        self._orphans_checked_at: datetime | None = None

    def run(self) -> None:
        """Heal what can be healed now; what the provider refuses waits for the next run."""
        unfinished = [
            item.object()
            for item in paged(self._storage, "pods")
            if not ENDED_POD.search(item.json) or DELETING in item.json
        ]
        living = [pod for pod in unfinished if self._sync_pod(pod)]
        self._enforce_budgets(unfinished)
        for pod in living:  # also those that another process has started or changed
            self._follow(pod)
        try:
            for start in range(0, len(living), DESCRIBE_AT_ONCE):
                self._compare(living[start : start + DESCRIBE_AT_ONCE])
            self._stop_orphans()
        except ProviderUnavailable as error:
            LOG.warning("resync stopped early reason=%s message=%s", error.reason, error.message)

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
        created, end = find_time(pod["metadata"].get("creationTimestamp")), deadline(pod)
        if end is not None and self._clock() >= end:
            self._pods.stop_overdue(pod)
        elif not handle_of(pod) and self._has_passed(created, self._times.settle):
            self._sync(pod)
        self._pods.end_driver(pod)
        if not handle_of(pod):
            return False
        self._pods.stop_sidecars(pod)  # again, should the first word have been lost
        return True

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

    def _is_settled(self, pod: JSON, now: datetime) -> bool:
        created = find_time(pod["metadata"].get("creationTimestamp"))
        return created is None or now - created >= timedelta(seconds=self._times.settle)

    def _compare(self, pods: list[JSON]) -> None:
        """Observe the present states of these pods' tasks; one that is not known (any more) is lost."""
        by_handle = {handle_of(pod): pod for pod in pods}
        for state in self._provider.describe(list(by_handle)):
            pod = by_handle.pop(state.handle, None)
            if pod is not None and (is_deleting(pod) or state.version != version_of(pod)):
                self._pods.observe(state)
        for pod in by_handle.values():
            started = find_time(status_of(pod).get("startTime"))
            if is_deleting(pod) or self._has_passed(started, self._times.lost):
                self._pods.observe(lost_task(pod, now=self._clock()))

    def _has_passed(self, since: datetime | None, seconds: float) -> bool:
        """Return whether a moment is so long ago; an unknown one is."""
        return since is None or self._clock() - since >= timedelta(seconds=seconds)

    def _stop_orphans(self) -> None:
        """Stop tasks that no pod stands for, and forget those that have ended."""
        if not self._has_passed(self._orphans_checked_at, self._times.orphans_every):
            return
        checked_at = self._clock()
        for state in self._provider.list_tasks():
            pod = self._pods.find(state.uid)
            if pod is not None and not handle_of(pod) and not is_terminal(pod):
                self._pods.observe(state)  # started, but the handle was never saved: adopt it
            elif pod is not None and handle_of(pod) == state.handle:
                if is_terminal(pod) and state.phase != "stopped":
                    self._stop(state)
            elif self._has_passed(state.created_at, self._times.orphan):
                where = (state.uid, state.handle, state.phase)
                LOG.warning("task belongs to no pod uid=%s task=%s phase=%s", *where)
                self._stop(state)
        self._orphans_checked_at = checked_at

    def _stop(self, state: TaskState) -> None:
        """End an orphan in two steps: stopped now, forgotten by a later run."""
        try:
            if state.phase == "stopped":
                self._provider.remove(state.handle)
            else:
                self._provider.stop(state.handle, grace_seconds=ORPHAN_GRACE_SECONDS, reason="NoPod")
        except TaskNotFound:
            return
