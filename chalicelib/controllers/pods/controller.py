"""PodController: makes tasks of pods, and pod status of task states.

sync() is level-triggered: no task -> run; deleting -> stop; else nothing. observe() is the only writer of the
status of pods that run. Each may be called again at any time, by any thread, after a crash at any line:

- a pod is stored before its task is run, so no task is without a pod for long;
- run() finds the task it started before, by the pod's uid;
- a launch that finds the pod gone when it saves the handle stops the task.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from chalicelib.apimachinery.accessors import is_deleting, is_terminal, status_of
from chalicelib.apimachinery.rules.time import find_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel import events as pod_events
from chalicelib.controllers.podmodel import status as pod_status
from chalicelib.controllers.podmodel.budget import BUDGET_REASON
from chalicelib.controllers.podmodel.record import (
    grace_left,
    handle_of,
    is_gated,
    lost_task,
    refusal_of,
    task_grace_seconds,
)
from chalicelib.controllers.podmodel.references import Missing
from chalicelib.controllers.podmodel.refusals import Refusal, is_driver_to_end, why_not_started
from chalicelib.controllers.pods.store import PodObservers, PodStore, pod_key
from chalicelib.controllers.pods.tasks import PodTasks
from chalicelib.controllers.pods.waiting import WaitingPods
from chalicelib.controllers.runtime.backoff import LASTING, PASSING, Backoff
from chalicelib.controllers.runtime.recorder import News, Recorder
from chalicelib.controllers.translation.task import Node, translate
from chalicelib.providers.base import LogOptions, Provider, ProviderUnavailable, Task, TaskRejected, TaskState
from chalicelib.registry.writing import as_stored
from chalicelib.storage.base import Storage, StoredObject

LOG = logging.getLogger(__name__)


class PodController:
    """Keeps pods and tasks in step. Safe to call from many threads and processes at once."""

    def __init__(
        self,
        *,
        storage: Storage,
        provider: Provider,
        node: Node,
        recorder: Recorder,
        clock: Callable[[], datetime],
        observers: PodObservers,
    ) -> None:
        self.waiting = WaitingPods()
        self.backoff = Backoff()
        self._store = PodStore(storage, recorder=recorder, node=node, clock=clock, observers=observers)
        self._provider = provider
        self._tasks = PodTasks(provider)
        self._node = node
        self._recorder = recorder
        self._clock = clock
        self._observers = observers

    def sync(self, pod: JSON, *, is_fresh: bool = False) -> None:
        """Bring the pod's task to where the pod wants it. Safe to repeat, and with an outdated pod.

        One that is fresh, stored a moment ago, is not read again before its task is run. Raises StorageError if the
        store fails; what the provider refuses becomes the pod's status.
        """
        if not self.is_ours(pod):
            return
        if not is_deleting(pod):
            if not is_terminal(pod) and not handle_of(pod) and not is_gated(pod):
                self._launch(pod, is_fresh=is_fresh)
            return
        handle = handle_of(pod)
        if not handle and pod["spec"].get("nodeName"):
            handle = self._tasks.find(pod["metadata"]["uid"])
        if not handle or is_terminal(pod):  # nothing runs (any more)
            self.give_up(pod)
            return
        self._recorder.record(pod, pod_events.stopping(pod))
        self._stop(pod, handle, grace_left(pod, self._clock()))

    def sync_key(self, key: str) -> None:
        """Sync the pod under a storage key, if there is one."""
        stored = self._store.under(key)
        if stored is not None:
            self.sync(stored.object())

    def is_ours(self, pod: JSON) -> bool:
        """Return whether the pod is for this provider."""
        return self._node.runs(pod)

    def forget(self, pod: JSON) -> None:
        """Stop the task of a pod that was removed from the store by another component. Repeatable."""
        self._set_aside(pod["metadata"]["uid"])
        if self.is_ours(pod) and pod["spec"].get("nodeName"):
            self._tasks.discard(handle_of(pod) or self._tasks.find(pod["metadata"]["uid"]))

    def retry(self) -> None:
        """Try again to start pods that wait, or that the provider could not take, where their pause is over.

        Cheap if there are none. Also finds what was written through another process on the same store.
        """
        for uid in self.backoff.due(self._clock()):
            if pod := self.find(uid):
                self.sync(pod)
            else:
                self._set_aside(uid)

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
        handle = handle_of(pod) or (self._tasks.find(pod["metadata"]["uid"]) if self._node.launches else "")
        return self._tasks.logs(pod, handle, container, options)

    def _launch(self, pod: JSON, *, is_fresh: bool) -> None:
        key, metadata = pod_key(pod), pod["metadata"]
        stored = as_stored(key, pod, int(metadata["resourceVersion"])) if is_fresh else self._store.under(key)
        current = stored.object() if stored else {}
        if stored is None or current["metadata"]["uid"] != metadata["uid"]:
            return
        if is_deleting(current) or is_terminal(current) or handle_of(current):
            return
        try:
            translation = translate(current, self._node)
            if translation.task is None:
                # once more: what is written between the look and the entry would wake no pod
                self.waiting.add(metadata["uid"], key, translation.wants(metadata.get("namespace", "")))
                translation = translate(current, self._node)
        except TaskRejected as error:
            self._refuse(current, error)
            return
        if translation.task is None:
            self._wait(current, translation.missing)
        else:
            self._run(stored, translation.task, translation.unsupported)

    def _run(self, stored: StoredObject, task: Task, unsupported: Sequence[str]) -> None:
        """Start the pod's task, and write its state into the pod."""
        pod = stored.object()
        self.waiting.discard(task.uid)
        try:
            state = self._provider.run(task)
        except (TaskRejected, ProviderUnavailable) as error:
            self._refuse(pod, error)
            return
        if self._set_back(stored, state):
            return
        warnings = self._provider.warnings(task)
        written = self._store.record(
            stored,
            state,
            lambda before, after: [
                *pod_events.launched(pod, self._node.name, unsupported, warnings),
                *pod_events.changed(before, after, state),
            ],
        )
        if written is None:
            LOG.info("pod vanished while its task started uid=%s task=%s", task.uid, state.handle)
            self._tasks.discard(state.handle)
            return
        if handle_of(written.after):
            self.backoff.forget(task.uid)
        else:  # set back meanwhile
            self.backoff.postpone(task.uid, self._clock())
        self._observers.on_launch(pod)
        if is_deleting(written.after) or is_terminal(written.after):
            self._stop(written.after, state.handle, grace_left(written.after, self._clock()))

    def _wait(self, pod: JSON, missing: Sequence[Missing]) -> None:
        self.backoff.postpone(pod["metadata"]["uid"], self._clock())

        def describe(before: JSON, after: JSON) -> Iterator[News]:
            status = status_of(after)
            since = find_time(status.get("startTime")) or self._clock()
            waited = (self._clock() - since).total_seconds()
            return pod_events.waiting(missing, is_new=status != status_of(before), seconds=waited)

        is_there = self._store.set_status(
            pod, lambda old: pod_status.waiting_status(old, missing, now=self._clock()), describe
        )
        if not is_there:
            self._set_aside(pod["metadata"]["uid"])

    def _refuse(self, pod: JSON, error: TaskRejected | ProviderUnavailable) -> None:
        """Leave a pod Pending that the provider has not taken, and have it tried again after a pause."""
        uid = pod["metadata"]["uid"]
        self.waiting.discard(uid)
        refusal = Refusal(error.reason, error.message, is_lasting=isinstance(error, TaskRejected))
        self.backoff.postpone(uid, self._clock(), LASTING if refusal.is_lasting else PASSING)
        is_there = self._store.set_status(
            pod, lambda old: refusal.status(old, now=self._clock()), refusal.news, binds=refusal.is_bound
        )
        if not is_there:
            self._set_aside(uid)

    def end_driver(self, pod: JSON) -> None:
        """End a driver that cannot be started, as Failed, if it has been tried for long enough."""
        why = why_not_started(pod)
        if why and is_driver_to_end(pod, self._clock()):
            reason, message = why
            self._end_failed(pod, reason, f"Pod was rejected: {message}")

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
        self._set_aside(pod["metadata"]["uid"])
        self._store.set_status(pod, lambda old: pod_status.ended_status(old, reason, message, now=self._clock()))

    def _set_aside(self, uid: str) -> None:
        self.waiting.discard(uid)
        self.backoff.forget(uid)

    def observe(self, state: TaskState) -> None:
        """Write what a provider reported about a task into its pod's status.

        Safe to repeat and to call out of order: a state whose version is not newer than the recorded one
        changes nothing. An unknown uid is logged and left to resync.
        """
        stored = self._store.find(state.uid)
        if stored is None:
            LOG.info("no pod for task uid=%s task=%s phase=%s", state.uid, state.handle, state.phase)
            return
        if state.phase == "pending" and not handle_of(stored.object()):
            return  # it is being started: who does so saves it in a moment, or else the next sync finds it
        if self._set_back(stored, state):
            return
        written = self._store.record(stored, state, lambda before, after: pod_events.changed(before, after, state))
        if written is None:
            return
        if is_deleting(written.after) and state.phase == "stopped":
            self._remove(stored.key, state.uid)
        elif written.has_changed:
            self.stop_sidecars(written.after)

    def change_status(self, uid: str, new_status: Callable[[JSON], JSON | None]) -> None:
        """Give a pod the status that a pure function makes of it as it is now, None for no change. Repeatable."""
        self._store.change_status(uid, new_status)

    def _set_back(self, stored: StoredObject, state: TaskState) -> bool:
        """Schedule a new launch of a pod whose task ended before it began; False if that would not help."""
        refusal = refusal_of(state)
        if refusal is None or not self._store.set_back(
            stored, state, lambda before, after: refusal.news(before, after) if before != after else ()
        ):
            return False
        self.backoff.postpone(state.uid, self._clock(), LASTING if refusal.is_lasting else PASSING)
        return True

    def _remove(self, key: str, uid: str) -> None:
        """Take a deleting pod whose task has ended out of the store, then let go of the task.

        What became of it has been stored before: watchers see the terminal phase as a change, then the removal, as
        from a kubelet (kubernetes/pkg/kubelet/status/status_manager.go, v1.36).
        """
        last = self._store.take_out(key, uid)
        if last is None:
            return
        self._set_aside(uid)
        self._observers.after_delete(last)
        self._tasks.discard(handle_of(last))
