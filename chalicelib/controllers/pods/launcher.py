"""PodLauncher: a pod's way to its task: a node, what it refers to, the provider; and back where that fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.apimachinery.accessors import is_deleting, is_terminal, status_of
from chalicelib.apimachinery.rules.time import find_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel import events as pod_events
from chalicelib.controllers.podmodel import status as pod_status
from chalicelib.controllers.podmodel.parked import is_parked, name_of_parked
from chalicelib.controllers.podmodel.record import handle_of, refusal_of
from chalicelib.controllers.podmodel.references import SCHEDULE, Missing
from chalicelib.controllers.podmodel.refusals import Refusal, warnings_of
from chalicelib.controllers.pods.parking import ParkedTasks
from chalicelib.controllers.pods.scheduler import Scheduler
from chalicelib.controllers.pods.store import Observer, PodStore, Recorded, pod_key
from chalicelib.controllers.pods.waiting import WaitingPods
from chalicelib.controllers.runtime.backoff import LASTING, PASSING, RATE, Backoff, Pauses
from chalicelib.controllers.runtime.recorder import News
from chalicelib.controllers.translation.task import Node, Translation, translate
from chalicelib.providers.base import THROTTLED, Provider, ProviderUnavailable, TaskRejected, TaskState
from chalicelib.providers.extensions import BindsLate
from chalicelib.registry.writing import as_stored
from chalicelib.storage.base import StoredObject

LOG = logging.getLogger(__name__)

OVERCOMMITTED = "its node's pods ask for more processors than it has, and share them"


@dataclass(frozen=True, slots=True)
class Queues:
    """The pods that wait: for objects, and for their pause after a failure to be over."""

    waiting: WaitingPods
    backoff: Backoff

    def drop(self, uid: str) -> None:
        """Forget a pod: it runs, has ended or is gone."""
        self.waiting.discard(uid)
        self.backoff.forget(uid)


@dataclass(frozen=True, slots=True)
class Launch:
    """A task that was started: its state, and its pod around the write of it; None if that was gone by then."""

    state: TaskState
    written: Recorded | None


class PodLauncher:
    """Launches pods. Safe to repeat, and from many threads: a provider finds the task that it has started before."""

    def __init__(
        self,
        *,
        store: PodStore,
        provider: Provider,
        parking: ParkedTasks | None,
        node: Node,
        scheduler: Scheduler,
        queues: Queues,
        on_launch: Observer,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._provider = provider
        self._parking = parking
        self._node = node
        self._scheduler = scheduler
        self._queues = queues
        self._on_launch = on_launch
        self._clock = clock

    def launch(self, pod: JSON, *, is_fresh: bool) -> Launch | None:
        """Start the task of a pod, as far as there is nothing to wait for; None if none was started.

        One that is fresh, stored a moment ago, is not read again. What stands in the way becomes the pod's status.
        """
        key, uid = pod_key(pod), pod["metadata"]["uid"]
        fresh = as_stored(key, pod, int(pod["metadata"]["resourceVersion"])) if is_fresh else None
        stored = fresh or self._store.under(key)
        current = stored.object() if stored else {}
        if stored is None or current["metadata"]["uid"] != uid:
            return None
        if is_deleting(current) or is_terminal(current) or handle_of(current):
            return None
        if self._parking is not None and self._parking.expire(current):
            self._queues.drop(uid)
            return None
        lookup = self._node.lookup.now()
        if why := self._scheduler.why_kept_off(current, lookup):
            self._scheduler.set_aside(key)
            self._leave_unscheduled(current, why)
            return None
        if self._parking is not None and (bound := self._parking.bind(stored)):
            self._queues.drop(uid)
            self._on_launch(bound[1].after)
            return Launch(*bound)
        if why := self._scheduler.why_no_room(current, key):
            self._leave_unscheduled(current, why)
            return None
        translation: Translation | TaskRejected
        try:
            translation = translate(current, replace(self._node, lookup=lookup))
            if translation.task is None:
                # once more: what is written between the look and the entry would wake no pod
                self._queues.waiting.add(uid, key, translation.wants(pod["metadata"].get("namespace", "")))
                translation = translate(current, replace(self._node, lookup=self._node.lookup.now()))
        except TaskRejected as error:
            translation = error
        return self._go_on(stored, translation)

    def _go_on(self, stored: StoredObject, translation: Translation | TaskRejected) -> Launch | None:
        """Bind the pod, unless it has yet to be known where it could run, and start its task or have it wait there."""
        pod = stored.object()
        if isinstance(translation, Translation) and any(each.event == SCHEDULE for each in translation.missing):
            self._scheduler.set_aside(stored.key)
            self._wait(pod, translation.missing)
            return None
        assigned = list(pod_events.assigned(pod, self._node.name))
        placed = self._scheduler.bind(stored, self._bound)
        if placed.stored is None:
            return None
        if placed.why:
            self._leave_unscheduled(pod, placed.why)
        elif isinstance(translation, TaskRejected):
            self._refuse(pod, translation, assigned)
        elif translation.task is None:
            self._wait(pod, translation.missing, assigned)
        else:
            notes = (OVERCOMMITTED,) if placed.overcommits else ()
            return self._run(placed.stored, translation, notes, assigned)
        return None

    def _bound(self, pod: JSON) -> JSON:
        """Return the pod with its node, as the API writes a binding."""
        status = pod_status.scheduled_status(pod, now=self._clock())
        return {**pod, "spec": {**pod["spec"], "nodeName": self._node.name}, "status": status}

    def _run(
        self, stored: StoredObject, translation: Translation, notes: Sequence[str], assigned: Sequence[News]
    ) -> Launch | None:
        """Start the pod's task, and write its state into the pod."""
        if self._parking is not None and name_of_parked(stored.object()):
            declined = self._parking.decline(stored)
            if declined is None:
                return None
            stored = declined
        pod, task = stored.object(), translation.task
        assert task is not None
        self._queues.waiting.discard(task.uid)
        try:
            if is_parked(pod) and isinstance(self._provider, BindsLate):
                state = self._provider.reserve(task)
            else:
                state = self._provider.run(task)
        except (TaskRejected, ProviderUnavailable) as error:
            self._refuse(pod, error, assigned)
            return None
        if self.set_back(stored, state):
            return None
        warnings = warnings_of(self._provider, task)
        written = self._store.record(
            stored,
            state,
            lambda before, after: [
                *assigned,
                *pod_events.launched(translation.unsupported, warnings, notes),
                *pod_events.changed(before, after, state),
            ],
        )
        if written is not None:
            if handle_of(written.after):
                self._queues.backoff.forget(task.uid)
            else:  # set back meanwhile
                self._queues.backoff.postpone(task.uid, self._clock())
            self._on_launch(pod)
        return Launch(state, written)

    def set_back(self, stored: StoredObject, state: TaskState) -> bool:
        """Schedule a new launch of a pod whose task ended before it began; False if that would not help."""
        refusal = refusal_of(state)
        if refusal is None or not self._store.set_back(
            stored, state, lambda before, after: refusal.news(before, after) if before != after else ()
        ):
            return False
        self._queues.backoff.postpone(state.uid, self._clock(), _pauses(refusal))
        return True

    def _leave_unscheduled(self, pod: JSON, why: str) -> None:
        """Say that a pod waits for a node that would do. It is woken by what may change that."""

        def describe(before: JSON, after: JSON) -> Iterator[News]:
            if before != after:
                yield News("Warning", SCHEDULE, why)

        self._store.set_status(
            pod,
            lambda old: pod_status.unscheduled_status(old, "Unschedulable", why, now=self._clock()),
            describe,
            binds=False,
        )

    def _wait(self, pod: JSON, missing: Sequence[Missing], assigned: Sequence[News] = ()) -> None:
        self._queues.backoff.postpone(pod["metadata"]["uid"], self._clock())

        def describe(before: JSON, after: JSON) -> list[News]:
            status = status_of(after)
            since = find_time(status.get("startTime")) or self._clock()
            waited = (self._clock() - since).total_seconds()
            return [*assigned, *pod_events.waiting(missing, is_new=status != status_of(before), seconds=waited)]

        is_there = self._store.set_status(
            pod, lambda old: pod_status.waiting_status(old, missing, now=self._clock()), describe
        )
        if not is_there:
            self._queues.drop(pod["metadata"]["uid"])

    def _refuse(self, pod: JSON, error: TaskRejected | ProviderUnavailable, assigned: Sequence[News]) -> None:
        """Leave a pod Pending that the provider has not taken, and have it tried again after a pause."""
        uid = pod["metadata"]["uid"]
        self._queues.waiting.discard(uid)
        refusal = Refusal(error.reason, error.message, is_lasting=isinstance(error, TaskRejected))
        self._queues.backoff.postpone(uid, self._clock(), _pauses(refusal))
        said = assigned if refusal.is_bound else ()
        is_there = self._store.set_status(
            pod,
            lambda old: refusal.status(old, now=self._clock()),
            lambda before, after: [*said, *refusal.news(before, after)],
            binds=refusal.is_bound,
        )
        if not is_there:
            self._queues.drop(uid)


def _pauses(refusal: Refusal) -> Pauses:
    if refusal.is_lasting:
        return LASTING
    return RATE if refusal.reason == THROTTLED else PASSING
