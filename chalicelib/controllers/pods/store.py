"""PodStore: the controller's writes to pods, each safe against every other writer.

The Events about a change are written after it, each by itself: they are news, and a transaction costs several times as
much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from chalicelib.apimachinery.accessors import is_deleting, is_terminal
from chalicelib.apimachinery.rules.retry import retried
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.causes.pod_cause import explained
from chalicelib.controllers.podmodel.parked import BOUND_TASKS
from chalicelib.controllers.podmodel.record import handle_of, with_state, without_task
from chalicelib.controllers.runtime.recorder import News, Recorder
from chalicelib.controllers.translation.task import Node
from chalicelib.providers.base import TaskState
from chalicelib.storage.base import Change, KeyNotFound, RevisionConflict, Storage, StoredObject
from chalicelib.storage.keys import object_key, parse_key
from chalicelib.storage.shared_commits import Transact
from chalicelib.storage.updates import GUARANTEED_UPDATE_ATTEMPTS, guaranteed_update, remove_with

ChangePod = Callable[[JSON], JSON | None]  # from a pod to the changed one, None for no change; pure
# From a pod before and after a change to the Events about it; pure
Describe = Callable[[JSON, JSON], Iterable[News]]

Observer = Callable[[JSON], None]


def ignore(pod: JSON) -> None:
    """Do nothing: an observer's default."""
    del pod


@dataclass(frozen=True, slots=True)
class PodObservers:
    """What is called when a pod was launched or changed, and around its removal from the store.

    A StorageError of `before_delete` keeps the pod in the store; what it returns is written with the removal.
    """

    on_launch: Observer = ignore
    on_change: Observer = ignore
    before_delete: Callable[[JSON], Sequence[Change]] = lambda _: ()
    after_delete: Observer = ignore


def pod_key(pod: JSON) -> str:
    """Return the storage key of a pod."""
    return object_key("pods", pod["metadata"].get("namespace"), pod["metadata"]["name"])


def bound_key(task_uid: str) -> str:
    """Return the storage key of the record that says which pod a reserved task was bound to."""
    return object_key(BOUND_TASKS, None, task_uid)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A pod right before and after a write."""

    before: JSON
    after: JSON

    @property
    def has_changed(self) -> bool:
        """Return whether the write changed anything."""
        return bool(self.before["metadata"].get("resourceVersion") != self.after["metadata"]["resourceVersion"])


class PodStore:
    """Pods in a Storage. A pod of the same name but another uid is not the pod that was meant.

    `transact` writes their status, by default the storage's own.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        recorder: Recorder,
        node: Node,
        clock: Callable[[], datetime],
        observers: PodObservers,
        transact: Transact | None = None,
    ) -> None:
        self._storage = storage
        self._transact = transact
        self._recorder = recorder
        self._node = node
        self._clock = clock
        self._observers = observers

    def find(self, uid: str) -> StoredObject | None:
        """Return the pod with that uid, or the one that the task started under that uid was bound to."""
        try:
            stored = self._storage.get_by_uid(uid)
        except KeyNotFound:
            bound = self.under(bound_key(uid))
            return self.find(bound.object()["pod"]) if bound else None
        return stored if parse_key(stored.key)[0] == "pods" else None

    def under(self, key: str) -> StoredObject | None:
        """Return the pod under a key, None if there is none."""
        try:
            return self._storage.get(key)
        except KeyNotFound:
            return None

    def record(self, known: StoredObject, state: TaskState, describe: Describe = lambda *_: ()) -> Recorded | None:
        """Write a task's state into its pod, which was `known` a moment ago; None if it is gone."""
        return self._update(known.key, state.uid, partial(self._with_state, state), describe, known=known)

    def set_back(self, known: StoredObject, state: TaskState, describe: Describe) -> bool:
        """Make a pod, whose task has ended before it began, one without a task; False if it is left as it is."""

        def change(pod: JSON) -> JSON | None:
            return without_task(pod, state, now=self._clock())

        written = self._update(known.key, state.uid, change, describe, known=known)
        return written is not None and written.has_changed

    def set_status(
        self,
        pod: JSON,
        new_status: Callable[[JSON], JSON],
        describe: Describe = lambda *_: (),
        *,
        binds: bool | None = None,
    ) -> bool:
        """Give a pod that has no task yet another status; False if the pod is gone.

        If it `binds`, the pod also gets its node; False takes it away.
        """

        def change(old: JSON) -> JSON | None:
            if is_terminal(old) or handle_of(old):
                return None
            spec = dict(old["spec"])
            if binds:
                spec["nodeName"] = spec.get("nodeName") or self._node.name
            elif binds is False:
                spec.pop("nodeName", None)
            return {**old, "spec": spec, "status": new_status(old)}

        return self._update(pod_key(pod), pod["metadata"]["uid"], change, describe) is not None

    def change_status(self, uid: str, new_status: Callable[[JSON], JSON | None]) -> None:
        """Give a pod another status; None from `new_status` for no change, and none for a pod that is gone."""
        stored = self.find(uid)
        if stored is None:
            return

        def change(pod: JSON) -> JSON | None:
            status = new_status(pod)
            return None if status is None else {**pod, "status": status}

        self._update(stored.key, uid, change, lambda *_: (), known=stored)

    def take_out(self, key: str, uid: str) -> JSON | None:
        """Remove a deleting pod; return its last state, None if it stays.

        A pod that finalizers hold gets no more grace: the client that takes the last finalizer off removes it.
        """

        def take_out_once() -> JSON | None:
            stored = self.under(key)
            pod = stored.object() if stored else {}
            if stored is None or pod["metadata"]["uid"] != uid or not is_deleting(pod):
                return None
            if not pod["metadata"].get("finalizers"):
                remove_with(self._storage, stored, self._observers.before_delete(pod))
                return pod
            if pod["metadata"].get("deletionGracePeriodSeconds"):
                held = {**pod, "metadata": {**pod["metadata"], "deletionGracePeriodSeconds": 0}}
                self._storage.update(stored.key, held, expected_revision=stored.revision)
            return None

        try:
            return retried(take_out_once, on=RevisionConflict, attempts=GUARANTEED_UPDATE_ATTEMPTS)
        except KeyNotFound:
            return None

    def _with_state(self, state: TaskState, pod: JSON) -> JSON | None:
        new = with_state(pod, state, node_name=self._node.name, probes=self._node.probes, now=self._clock())
        return new and explained(new)

    def _update(
        self, key: str, uid: str, change: ChangePod, describe: Describe, *, known: StoredObject | None = None
    ) -> Recorded | None:
        """Change a pod and write the Events about it; None if it is gone."""
        before: JSON = {}

        def changed(pod: JSON) -> JSON | None:
            nonlocal before
            if pod["metadata"]["uid"] != uid:
                raise KeyNotFound(uid)
            before = pod
            return change(pod)

        try:
            stored = guaranteed_update(self._storage, key, changed, known=known, transact=self._transact)
        except KeyNotFound:
            return None
        written = Recorded(before, stored.object())
        self._recorder.record(written.after, describe(written.before, written.after))
        if written.has_changed:
            self._observers.on_change(written.after)
        return written
