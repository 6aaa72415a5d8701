"""PodController: makes tasks of pods, and pod status of task states.

sync() is level-triggered: no task -> run; deleting -> stop; else nothing. observe() is the only writer of the
status of pods that run. Each may be called again at any time, by any thread, after a crash at any line:

- a pod is stored before its task is run, so no task is without a pod for long;
- run() finds the task it started before, by the pod's uid;
- a launch that finds the pod gone when it saves the handle stops the task;
- a pod that is removed while it may have a task is kept aside until that has ended (RemovedPods).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

from chalicelib.apimachinery.accessors import is_deleting, is_terminal
from chalicelib.apimachinery.rules.status import unavailable
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel import events as pod_events
from chalicelib.controllers.podmodel import status as pod_status
from chalicelib.controllers.podmodel.budget import BUDGET_REASON
from chalicelib.controllers.podmodel.probe import regated_status
from chalicelib.controllers.podmodel.record import grace_left, handle_of, is_gated, lost_task, task_grace_seconds
from chalicelib.controllers.podmodel.refusals import given_up_status, is_driver_to_end, why_not_started
from chalicelib.controllers.pods.launcher import PodLauncher, Queues
from chalicelib.controllers.pods.log_archive import LogArchive
from chalicelib.controllers.pods.parking import ParkedTasks
from chalicelib.controllers.pods.removed import RemovedPods
from chalicelib.controllers.pods.scheduler import Scheduler
from chalicelib.controllers.pods.store import PodObservers, PodStore, pod_key
from chalicelib.controllers.pods.tasks import PodTasks
from chalicelib.controllers.pods.waiting import WaitingPods
from chalicelib.controllers.runtime.backoff import RATE, Backoff
from chalicelib.controllers.runtime.recorder import Recorder
from chalicelib.controllers.translation.task import Node
from chalicelib.providers.base import LogOptions, Provider, ProviderUnavailable, TaskState
from chalicelib.storage.base import Storage
from chalicelib.storage.shared_commits import Transact

LOG = logging.getLogger(__name__)


class PodController:
    """Keeps pods and tasks in step. Safe to call from many threads and processes at once."""

    def __init__(
        self,
        *,
        storage: Storage,
        provider: Provider,
        node: Node,
        scheduler: Scheduler,
        recorder: Recorder,
        clock: Callable[[], datetime],
        observers: PodObservers,
        removed: RemovedPods,
        archive: LogArchive | None = None,
        parking: ParkedTasks | None = None,
        transact: Transact | None = None,
    ) -> None:
        self.waiting = WaitingPods()
        self.backoff = Backoff()
        self._queues = Queues(self.waiting, self.backoff)
        self._store = PodStore(
            storage, recorder=recorder, node=node, clock=clock, observers=observers, transact=transact
        )
        self._tasks = PodTasks(provider, archive, keeps_ended=node.keeps_ended)
        self._removed = removed
        self._node = node
        self._recorder = recorder
        self._clock = clock
        self._observers = observers
        self._scheduler = scheduler
        self._parking = parking
        self._launcher = PodLauncher(
            store=self._store,
            provider=provider,
            parking=parking,
            node=node,
            scheduler=scheduler,
            queues=self._queues,
            on_launch=observers.on_launch,
            clock=clock,
        )

    def sync(self, pod: JSON, *, is_fresh: bool = False) -> None:
        """Bring the pod's task to where the pod wants it. Safe to repeat, and with an outdated pod.

        One that is fresh, stored a moment ago, is not read again before its task is run. What the provider refuses
        becomes the pod's status. Raises StorageError if the store fails, ProviderUnavailable if the provider does not
        tell whether a deleting pod has a task.
        """
        if not self.is_ours(pod):
            return
        if not is_deleting(pod):
            if self.is_to_launch(pod):
                self._launch(pod, is_fresh=is_fresh)
            return
        handle = handle_of(pod) or self._adopted(pod)
        if not handle or is_terminal(pod):  # nothing runs (any more)
            self.give_up(pod)
            return
        self._recorder.record(pod, pod_events.stopping(pod))
        self._stop(pod, handle, grace_left(pod, self._clock()))

    def _adopted(self, pod: JSON) -> str:
        """Return the handle of a task that a bound pod was given and has no note of, and note it; "" without one."""
        if not pod["spec"].get("nodeName") or is_terminal(pod):
            return ""
        stored, state = self._store.under(pod_key(pod)), self._tasks.find(pod["metadata"]["uid"])
        if stored is not None and state is not None:
            self._store.record(stored, state)
        return state.handle if state else ""

    def _launch(self, pod: JSON, *, is_fresh: bool) -> None:
        """Launch a pod, and end its task again if the pod has gone, or is to go, meanwhile."""
        launch = self._launcher.launch(pod, is_fresh=is_fresh)
        if launch is None:
            return
        handle, written = launch.state.handle, launch.written
        if written is None:
            LOG.info("pod vanished while its task started uid=%s task=%s", launch.state.uid, handle)
            self._removed.observe(launch.state)
            self._tasks.discard(handle)
        elif is_deleting(written.after) or is_terminal(written.after):
            self._stop(written.after, handle, grace_left(written.after, self._clock()))
        elif self._parking is not None and launch.state.phase == "pending":
            self._parking.reservations.reserve(written.after)  # while the driver itself starts

    def sync_key(self, key: str) -> None:
        """Sync the pod under a storage key, if there is one."""
        stored = self._store.under(key)
        if stored is not None:
            self.sync(stored.object(), is_fresh=True)

    def launch_key(self, key: str) -> float:
        """Launch the pod under a storage key if it has yet to get its task; return after how long to do so again.

        In seconds; 0.0 unless the provider's rate was exceeded.
        """
        stored = self._store.under(key)
        pod = stored.object() if stored else {}
        if not pod or not self.is_to_launch(pod):
            return 0.0
        self.sync(pod, is_fresh=True)
        return self.backoff.seconds_left(pod["metadata"]["uid"], self._clock(), RATE)

    def is_to_launch(self, pod: JSON) -> bool:
        """Return whether a pod, as it is given, is for this provider and has yet to get its task."""
        is_over = is_deleting(pod) or is_terminal(pod)
        return self.is_ours(pod) and not is_over and not handle_of(pod) and not is_gated(pod)

    def is_ours(self, pod: JSON) -> bool:
        """Return whether the pod is for this provider."""
        return self._node.runs(pod)

    def forget(self, pod: JSON) -> None:
        """Stop the task of a pod that was removed from the store by another component. Repeatable.

        One that is not noted in the pod is found by the chore that ends orphans.
        """
        self._queues.drop(pod["metadata"]["uid"])
        if self.is_ours(pod):
            self._tasks.let_go(pod)

    def retry(self) -> None:
        """Try again to start pods that wait, or that could not be taken, where their pause is over or there is room.

        Cheap if there are none. Also finds what was written through another process on the same store.
        """
        for key in self.placeable():
            self.place(key)
        for uid in self.backoff.due(self._clock()):
            if pod := self.find(uid):
                self.sync(pod)
            else:
                self._queues.drop(uid)

    def placeable(self) -> list[str]:
        """Return the storage keys of pods that have waited for room and that there is room for, in their order."""
        return self._scheduler.placeable()

    def place(self, key: str) -> None:
        """Sync a pod that there is room for, unless its pause after a failure is not over."""
        stored = self._store.under(key)
        pod = stored.object() if stored else {}
        if stored is not None and self.backoff.is_due(pod["metadata"]["uid"], self._clock()):
            self.sync(pod)

    def find(self, uid: str) -> JSON | None:
        """Return the pod with that uid, None if there is none."""
        stored = self._store.find(uid)
        return stored.object() if stored else None

    def give_up(self, pod: JSON) -> None:
        """Take a deleting pod out of the store without asking the provider; finalizers still hold it."""
        if pod["spec"].get("nodeName") and not is_terminal(pod):
            stored, lost = self._store.under(pod_key(pod)), lost_task(pod, now=self._clock())
            if stored is None or self._store.record(stored, lost) is None:
                return
        self._remove(pod_key(pod), pod["metadata"]["uid"])

    def logs(self, pod: JSON, container: str, options: LogOptions) -> Iterator[bytes]:
        """Yield the log of a container in pieces. Raises StatusError before the first."""
        try:
            found = self._tasks.find(pod["metadata"]["uid"]) if self._node.launches and not handle_of(pod) else None
        except ProviderUnavailable as error:
            raise unavailable(f"{error.reason}: {error.message}") from error
        return self._tasks.logs(pod, found.handle if found else handle_of(pod), container, options)

    def end_driver(self, pod: JSON) -> None:
        """End a driver that cannot be started, as Failed, if it has been tried for long enough."""
        if not is_driver_to_end(pod, self._clock()):
            return
        reason, _ = why_not_started(pod) or ("", "")
        if handle_of(pod):
            self._stop(pod, handle_of(pod), task_grace_seconds(pod), reason)
            return
        self._queues.drop(pod["metadata"]["uid"])
        self._store.set_status(pod, lambda old: given_up_status(old, now=self._clock()))

    def _stop(self, pod: JSON, handle: str, grace_seconds: float, reason: str = "") -> None:
        known = self._tasks.stop(handle, grace_seconds=grace_seconds, reason=reason)
        if not known and is_deleting(pod):
            self.give_up(pod)

    def stop_sidecars(self, pod: JSON) -> None:
        """Stop the task of a pod in which nothing but sidecars runs any more."""
        if pod_status.has_only_sidecars_left(pod):
            self._stop(pod, handle_of(pod), task_grace_seconds(pod))

    def stop_overdue(self, pod: JSON) -> None:
        """End a pod whose activeDeadlineSeconds have passed: with its task, or at once if it has none."""
        self._recorder.record(pod, [pod_events.OVERDUE])
        self._end_failed(pod, pod_status.DEADLINE_REASON, pod_status.DEADLINE_MESSAGE)

    def stop_over_budget(self, pod: JSON, message: str) -> None:
        """End a pod that is marked as having spent its budget: with its task, or at once if it has none."""
        self._end_failed(pod, BUDGET_REASON, message)

    def _end_failed(self, pod: JSON, reason: str, message: str) -> None:
        if handle_of(pod):
            self._stop(pod, handle_of(pod), task_grace_seconds(pod), reason)
            return
        self._queues.drop(pod["metadata"]["uid"])
        self._store.set_status(pod, lambda old: pod_status.ended_status(old, reason, message, now=self._clock()))

    def observe(self, state: TaskState) -> None:
        """Write what a provider reported about a task into its pod's status.

        Safe to repeat and to call out of order: a state whose version is not newer than the recorded one
        changes nothing. Of a pod that has been removed it is recorded what its task has used.
        """
        stored = self._store.find(state.uid)
        if stored is None:
            if not self._removed.observe(state):
                LOG.info("no pod for task uid=%s task=%s phase=%s", state.uid, state.handle, state.phase)
            return
        state = replace(state, uid=stored.object()["metadata"]["uid"])  # of a task that was bound to a pod
        if state.phase == "pending" and not handle_of(stored.object()):
            return  # it is being started: who does so saves it in a moment, or else the next sync finds it
        if self._launcher.set_back(stored, state):
            return
        written = self._store.record(stored, state, lambda before, after: pod_events.changed(before, after, state))
        if written is None:
            return
        if is_deleting(written.after) and state.phase == "stopped":
            self._remove(stored.key, state.uid)
        elif written.has_changed:
            self.stop_sidecars(written.after)

    def regate(self, pod: JSON) -> None:
        """Bring a pod's Ready to what its readiness gates say by now. Repeatable."""
        if regated_status(pod, now=self._clock()) is not None:
            uid = pod["metadata"]["uid"]
            self._store.change_status(uid, lambda old: regated_status(old, now=self._clock()))

    def change_status(self, uid: str, new_status: Callable[[JSON], JSON | None]) -> None:
        """Give a pod the status that a pure function makes of it as it is now, None for no change. Repeatable."""
        self._store.change_status(uid, new_status)

    def _remove(self, key: str, uid: str) -> None:
        """Take a deleting pod whose task has ended out of the store, then let go of the task.

        What became of it has been stored before: watchers see the terminal phase as a change, then the removal, as
        from a kubelet (kubernetes/pkg/kubelet/status/status_manager.go, v1.36).
        """
        last = self._store.take_out(key, uid)
        if last is None:
            return
        self._queues.drop(uid)
        self._observers.after_delete(last)
        self._tasks.let_go(last)
