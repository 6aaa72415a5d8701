"""Parking: executors' tasks that start with their driver, and wait until it asks for the executors.

    driver launched --> its mark, then parked pods --> tasks that wait
    POST of executor N --> one transaction: the executor gets the task, its parked pod goes, a record says which task
    nobody came: the driver has ended, the time is over, the shapes differ --> the parked pods are deleted

Decision 49. A parked pod is stored before its task is started and owned by the driver, so that all that holds for pods
holds for it: launching, quotas, budgets, records of use, resync, orphans, garbage collection. Every step may be
repeated, and be the last of a process: what is bound is what the transaction says, and a parked pod that nobody binds
or deletes ends by its deadline, which its task, too, is told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from chalicelib.apimachinery.accessors import annotations_of, is_deleting, is_terminal, owners_of, status_of
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.rules.time import after, find_time, format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel import events as pod_events
from chalicelib.controllers.podmodel import parked
from chalicelib.controllers.podmodel.family import members_of
from chalicelib.controllers.podmodel.index import PodIndex
from chalicelib.controllers.podmodel.record import handle_of, task_uid_of, with_state
from chalicelib.controllers.podmodel.status import deadline
from chalicelib.controllers.podmodel.usage import bills
from chalicelib.controllers.pods.reservations import CreatePod, ParkingTerms, Reservations, is_kept_late
from chalicelib.controllers.pods.store import PodObservers, Recorded, bound_key
from chalicelib.controllers.pods.warm import WarmTasks
from chalicelib.controllers.runtime.objects import DeleteObject
from chalicelib.controllers.runtime.recorder import News, Recorder
from chalicelib.controllers.translation.task import Node, Translation, translate
from chalicelib.providers.base import ProviderUnavailable, TaskNotFound, TaskRejected, TaskState
from chalicelib.providers.extensions import BindsLate
from chalicelib.resources.pods.marks import (
    ANY_ZONE,
    BOUND_TASK,
    BOUND_TO,
    HOME_ZONE,
    PARKED,
    PARKED_POD,
    WAITS_FOR,
    ZONE,
)
from chalicelib.storage.base import (
    Change,
    KeyExists,
    KeyNotFound,
    RevisionConflict,
    Storage,
    StorageError,
    StoredObject,
)
from chalicelib.storage.keys import object_key, parse_key, prefix
from chalicelib.storage.updates import GUARANTEED_UPDATE_ATTEMPTS, guaranteed_update

LOG = logging.getLogger(__name__)


class ParkedTasks:
    """Has tasks reserved for drivers, binds executors to them, and gives back the rest. Safe from many threads."""

    def __init__(
        self,
        *,
        storage: Storage,
        provider: BindsLate,
        node: Node,
        warm: WarmTasks,
        create: CreatePod,
        delete: DeleteObject,
        recorder: Recorder,
        observers: PodObservers,
        clock: Callable[[], datetime],
        terms: ParkingTerms,
    ) -> None:
        self._storage = storage
        self._provider = provider
        self._node = node
        self._warm = warm
        self.reservations = Reservations(
            storage=storage, node=node, create=create, recorder=recorder, terms=terms, why_cold=warm.why_cold
        )
        self._delete = delete
        self._recorder = recorder
        self._observers = observers
        self._clock = clock

    def bind(self, executor: StoredObject) -> tuple[TaskState, Recorded] | None:
        """Give an executor the task that waits for it; None where there is none for it. Raises StorageError."""
        for _ in range(GUARANTEED_UPDATE_ATTEMPTS):
            name = parked.name_of_parked(executor.object())
            try:
                waiting = self._storage.get(object_key("pods", parse_key(executor.key)[1], name)) if name else None
            except KeyNotFound:
                waiting = None
            if waiting is None or not parked.may_be_bound(waiting.object(), executor.object()):
                return None
            translation = self._fitting(executor.object(), waiting.object())
            if translation is None or translation.task is None:
                return None
            try:
                state = self._provider.bind(handle_of(waiting.object()), translation.task)
            except (TaskNotFound, ProviderUnavailable) as error:
                LOG.info("parked task not bound pod=%s error=%r", waiting.key, error)
                return None
            with suppress(RevisionConflict):
                return state, self._write(executor, waiting, state, translation)
            try:
                again = self._storage.get_by_uid(executor.object()["metadata"]["uid"])
            except KeyNotFound:
                return None
            if is_deleting(again.object()) or is_terminal(again.object()) or handle_of(again.object()):
                return None
            executor = again
        return None

    def _fitting(self, executor: JSON, waiting: JSON) -> Translation | None:
        """Return an executor as a task that can take a waiting one's place; where shapes differ all are given back."""
        try:
            translation = translate(executor, replace(self._node, lookup=self._node.lookup.now()))
            theirs = translate(waiting, replace(self._node, lookup=self._node.lookup.now())).task
            if translation.task is None:
                return None  # it waits for its ConfigMap, and is tried again
            fits = theirs is not None and self._provider.shape(theirs) == self._provider.shape(translation.task)
        except TaskRejected:
            return None
        if not fits:
            namespace, which = waiting["metadata"]["namespace"], "was foretold: parked tasks are"
            beside = [each for owner in owners_of(waiting) for each in self._parked_of(owner["uid"], namespace)]
            if parked.is_warm(waiting):
                beside, which = [waiting], "the warm task that it has claimed, which is"
            words = f"{executor['metadata']['name']} is of another shape than {which} given back"
            self._recorder.record(executor, [News("Normal", "NotParked", words)])
            self._give_back(beside)
            return None
        left = parked.seconds_left(deadline(waiting), self._clock())
        home = annotations_of(executor).get(HOME_ZONE, ANY_ZONE)
        is_near = home == ANY_ZONE or annotations_of(waiting).get(ZONE, home) == home
        is_alive = left > 0 and not is_deleting(waiting) and not is_terminal(waiting)
        return translation if handle_of(waiting) and is_alive and is_near else None

    def decline(self, executor: StoredObject) -> StoredObject | None:
        """Take from an executor its mark before it is launched as any pod: from then on nobody binds it.

        Returns it as it is stored then; None if somebody has bound it, or it is gone or to go. Raises StorageError.
        """
        metadata = executor.object()["metadata"]

        def change(pod: JSON) -> JSON | None:
            if pod["metadata"]["uid"] != metadata["uid"]:
                raise KeyNotFound(metadata["uid"])
            kept = {name: text for name, text in annotations_of(pod).items() if name != PARKED_POD}
            is_free = not handle_of(pod) and not is_deleting(pod) and not is_terminal(pod)
            return {**pod, "metadata": {**pod["metadata"], "annotations": kept}} if is_free else None

        try:
            declined = guaranteed_update(self._storage, executor.key, change, known=executor)
        except KeyNotFound:
            return None
        if name := annotations_of(declined.object()).get(PARKED_POD):
            LOG.info("executor bound by another process uid=%s pod=%s", metadata["uid"], name)
            return None
        with suppress(KeyNotFound):
            place = object_key("pods", metadata["namespace"], parked.name_of_parked(executor.object()))
            waiting = self._storage.get(place)
            if parked.may_be_bound(waiting.object(), executor.object()):
                self._give_back([waiting.object()])  # a warm one, too: its place in quotas is taken
        return declined

    def _write(self, executor: StoredObject, waiting: StoredObject, state: TaskState, found: Translation) -> Recorded:
        """Write who has the task now, all at once. Raises RevisionConflict if one of the two has changed."""
        before, old, now = executor.object(), waiting.object(), self._clock()
        left, taken = bills(old, dict(state.times).get("pull_started"), now)
        own, paid = {BOUND_TASK: task_uid_of(old), **taken}, {**annotations_of(old), BOUND_TO: state.uid, **left}
        marked = {
            **before,
            "metadata": {**before["metadata"], "annotations": {**annotations_of(before), **own}},
            "status": {**status_of(before), "startTime": format_time(now)},  # its task began before it did
        }
        after = with_state(marked, state, node_name=self._node.name, probes=self._node.probes, now=now)
        if after is None:
            raise RevisionConflict(executor.key, expected=executor.revision)
        record = {"metadata": {"name": own[BOUND_TASK], "uid": f"bound-{own[BOUND_TASK]}"}, "pod": state.uid}
        is_first = BOUND_TASK not in annotations_of(old)  # else it was bound to this one
        beside = self._observers.before_delete({**old, "metadata": {**old["metadata"], "annotations": paid}})
        key = bound_key(own[BOUND_TASK])
        try:
            noted = Change("ADDED", key, record)
            if not is_first:
                noted = Change("MODIFIED", key, record, self._storage.get(key).revision)
            stored = self._storage.transact(
                [
                    Change("MODIFIED", executor.key, after, executor.revision),
                    Change("DELETED", waiting.key, None, waiting.revision),
                    noted,
                    *beside,
                ]
            )
        except (KeyExists, KeyNotFound) as error:
            raise RevisionConflict(executor.key, expected=executor.revision) from error
        written = Recorded(before, stored[0].object())
        self._recorder.record(written.after, self._news(written, state, found))
        self._observers.on_change(written.after)
        self._observers.after_delete(old)
        return written

    def _news(self, written: Recorded, state: TaskState, found: Translation) -> Iterator[News]:
        yield from pod_events.assigned(written.before, self._node.name)
        yield News("Normal", "Bound", f"has a task that was started before: {state.handle}")
        yield from pod_events.launched(found.unsupported, (), ())
        yield from pod_events.changed(written.before, written.after, state)

    def pod_changed(self, pod: JSON) -> None:
        """Give back what has nothing to wait for: a parked pod that has ended, the pods parked for such a driver."""
        if parked.is_parked(pod) and is_terminal(pod):
            self._give_back([pod])
        elif PARKED in annotations_of(pod) and (is_terminal(pod) or is_deleting(pod)):
            self._give_back(self._parked_of(pod["metadata"]["uid"], pod["metadata"]["namespace"]))
            self._give_back(self._warm.left_by(pod))
        if is_terminal(pod):
            self.reservations.keep_warm(pod)
            self._warm.release(pod)

    def pod_gone(self, pod: JSON) -> None:
        """Drop, with a pod, the record of which task it was bound to, or its claim of a warm one."""
        if uid := annotations_of(pod).get(BOUND_TASK):
            self._drop(bound_key(uid), pod["metadata"]["uid"])
        self._warm.release(pod)
        self._give_back(self._warm.left_by(pod))

    def sweep(self, index: PodIndex) -> None:
        """Do the same for whatever was lost on the way, and drop records whose pod is gone. Raises StorageError."""
        records = self._storage.list(prefix(parked.BOUND_TASKS)).items  # before the pods: none is bound in between
        snapshot = index.look()
        for uid, each in snapshot.by_uid.items():
            if each.ending and each.ending.is_parked:
                with suppress(KeyNotFound):
                    self._give_back([self._storage.get_by_uid(uid).object()])
            if each.ending and is_kept_late(each.ending, self._clock()):
                with suppress(KeyNotFound):
                    self.reservations.keep_warm(self._storage.get_by_uid(uid).object(), is_again=True)
        for each in snapshot.unfinished:
            if WAITS_FOR not in each.json or not parked.is_parked(pod := each.object()):
                continue
            if self.expire(pod):
                continue
            if parked.is_warm(pod):
                self._warm.heal(pod)
                continue
            owners = [snapshot.by_uid.get(owner) for owner in each.owners]
            if not any(owner and not owner.ending and not owner.is_deleting for owner in owners):
                self._give_back([pod])
        for record in records:
            if record.object()["pod"] not in snapshot.by_uid:
                self._drop(record.key, record.object()["pod"])

    def expire(self, pod: JSON) -> bool:
        """Give back a parked pod that has had no task for as long as one may wait; False for any other pod.

        From when a task begins its deadline counts, which no pod has before.
        """
        since = find_time(pod["metadata"].get("creationTimestamp")) or self._clock()
        longest = float(pod["spec"].get("activeDeadlineSeconds") or 0)
        if not parked.is_parked(pod) or handle_of(pod) or self._clock() < after(since, longest):
            return False
        self._give_back([pod])
        return True

    def _parked_of(self, uid: str, namespace: str) -> list[JSON]:
        found = members_of(self._storage, uid, namespace)
        return [each for each in found if parked.is_parked(each) and not parked.is_warm(each)]

    def _give_back(self, pods: Sequence[JSON]) -> None:
        """Delete parked pods; what fails is left to the next sweep."""
        for each in pods:
            if is_deleting(each):
                continue
            metadata = each["metadata"]
            try:
                self._delete("pods", metadata["namespace"], metadata["name"], uid=metadata["uid"])
            except (StatusError, StorageError) as error:
                LOG.info("parked pod not deleted uid=%s error=%s", metadata["uid"], error)

    def _drop(self, key: str, uid: str) -> None:
        """Drop a record if it is of that pod: another one may have the task by now."""
        with suppress(KeyNotFound, RevisionConflict):
            record = self._storage.get(key)
            if record.object()["pod"] == uid:
                self._storage.delete(key, expected_revision=record.revision)
