"""PodStore: the controller's writes to pods, each safe against every other writer.

What an Event tells of a pod is written with it, in one transaction: no state without its news, and one round trip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from chalicelib.apimachinery.accessors import is_deleting, is_terminal
from chalicelib.apimachinery.rules.retry import retried
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.record import handle_of, with_state, without_task
from chalicelib.controllers.runtime.recorder import News, Recorder
from chalicelib.providers.base import TaskState
from chalicelib.registry.keys import object_key, parse_key
from chalicelib.storage.base import (
    GUARANTEED_UPDATE_ATTEMPTS,
    TRANSACTION_WRITES,
    Change,
    KeyExists,
    KeyNotFound,
    RevisionConflict,
    Storage,
    StoredObject,
    guaranteed_update,
)

Tell = Callable[[JSON, JSON], Iterable[News]]  # from a pod before and after a change to what is new; pure
TOLD_AT_ONCE = TRANSACTION_WRITES - 1  # Events beside the pod; more follow

Told = Callable[[JSON], None]  # told of a pod: launched, changed, about to be taken out of the store, removed


def nobody(pod: JSON) -> None:
    """Tell nobody."""
    del pod


def pod_key(pod: JSON) -> str:
    """Return the storage key of a pod."""
    return object_key("pods", pod["metadata"].get("namespace"), pod["metadata"]["name"])


@dataclass(frozen=True, slots=True)
class Recorded:
    """A pod right before and after a report was written into it."""

    before: JSON
    after: JSON

    @property
    def has_changed(self) -> bool:
        """Return whether the report said anything new."""
        return bool(
            self.before["metadata"].get("resourceVersion") != self.after["metadata"]["resourceVersion"]
        )


class PodStore:
    """Pods in a Storage. A pod of the same name but another uid is not the pod that was meant."""

    def __init__(
        self,
        storage: Storage,
        *,
        recorder: Recorder,
        node_name: str,
        clock: Callable[[], datetime],
        changed: Told,
        going: Told,
    ) -> None:
        self._going = going
        self._changed = changed
        self._storage = storage
        self._recorder = recorder
        self._node_name = node_name
        self._clock = clock

    def find(self, uid: str) -> StoredObject | None:
        """Return the pod with that uid."""
        try:
            stored = self._storage.get_by_uid(uid)
        except KeyNotFound:
            return None
        return stored if parse_key(stored.key)[0] == "pods" else None

    def under(self, key: str) -> StoredObject | None:
        """Return the pod under a key, None if there is none."""
        try:
            return self._storage.get(key)
        except KeyNotFound:
            return None

    def record(self, known: StoredObject, state: TaskState, tell: Tell) -> Recorded | None:
        """Write a task's state into its pod, which was `known` a moment ago, and what is new; None if it is gone."""
        before: JSON = {}

        def change(pod: JSON) -> JSON | None:
            nonlocal before
            before = pod
            return with_state(pod, state, node_name=self._node_name, now=self._clock())

        stored = self._update(known.key, state.uid, change, tell, known=known)
        return Recorded(before, stored.object()) if stored else None

    def set_back(self, known: StoredObject, state: TaskState, tell: Tell) -> bool:
        """Make a pod, whose task has ended before it began, one without a task; False if it is left as it is."""
        is_set_back = False

        def change(pod: JSON) -> JSON | None:
            nonlocal is_set_back
            changed = without_task(pod, state, now=self._clock())
            is_set_back = changed is not None
            return changed

        stored = self._update(known.key, state.uid, change, tell, known=known)
        return stored is not None and is_set_back

    def set_status(
        self, pod: JSON, new_status: Callable[[JSON], JSON], tell: Tell | None = None
    ) -> StoredObject | None:
        """Give a pod that has no task yet another status, and say what is new; None if the pod is gone."""

        def change(old: JSON) -> JSON | None:
            return None if is_terminal(old) or handle_of(old) else {**old, "status": new_status(old)}

        return self._update(pod_key(pod), pod["metadata"]["uid"], change, tell or _nothing)

    def take_out(self, key: str, uid: str, state: TaskState | None) -> JSON | None:
        """Remove a deleting pod with the status after `state`; return its last state, None if it stays.

        A pod that finalizers hold gets the status and no more grace: the client that takes the last
        finalizer off removes it.
        """

        def take_out_once() -> JSON | None:
            stored = self._storage.get(key)
            pod = stored.object()
            if pod["metadata"]["uid"] != uid or not is_deleting(pod):
                return None
            return self._take_out_once(stored, pod, state)

        with suppress(KeyNotFound):
            return retried(take_out_once, on=RevisionConflict, attempts=GUARANTEED_UPDATE_ATTEMPTS)
        return None

    def _take_out_once(self, stored: StoredObject, pod: JSON, state: TaskState | None) -> JSON | None:
        last = pod
        if state is not None:
            last = with_state(pod, state, node_name=self._node_name, now=self._clock()) or pod
        if not pod["metadata"].get("finalizers"):
            self._going(last)
            self._storage.delete(stored.key, expected_revision=stored.revision, last=last)
            return last
        if last is not pod or pod["metadata"].get("deletionGracePeriodSeconds"):
            last = {**last, "metadata": {**last["metadata"], "deletionGracePeriodSeconds": 0}}
            self._storage.update(stored.key, last, expected_revision=stored.revision)
        return None

    def _update(
        self,
        key: str,
        uid: str,
        change: Callable[[JSON], JSON | None],
        tell: Tell,
        *,
        known: StoredObject | None = None,
    ) -> StoredObject | None:
        seen: JSON = {}
        left: Sequence[Change] | None = None  # None: nothing has been told yet

        def checked(pod: JSON) -> JSON | None:
            nonlocal seen, left
            if pod["metadata"]["uid"] != uid:
                raise KeyNotFound(key)
            seen, left = pod, None
            return change(pod)

        def also(before: JSON, after: JSON) -> Sequence[Change]:
            nonlocal left
            drafts = self._recorder.drafts(after, tell(before, after))
            left = drafts[TOLD_AT_ONCE:]
            return drafts[:TOLD_AT_ONCE]

        try:
            try:
                stored = guaranteed_update(self._storage, key, checked, also=also, known=known)
            except KeyExists:  # one of the Events is there already, and is to be counted
                stored = guaranteed_update(self._storage, key, checked)
        except KeyNotFound:
            return None
        after = stored.object()
        self._recorder.write(self._recorder.drafts(after, tell(seen, after)) if left is None else left)
        if str(stored.revision) != seen["metadata"].get("resourceVersion"):
            self._changed(after)
        return stored


def _nothing(before: JSON, after: JSON) -> Iterable[News]:
    del before, after
    return ()
