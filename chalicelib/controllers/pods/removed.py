"""RemovedPods: pods that have left the store while a task of theirs may run, kept until that has ended.

A pod goes at once if it has no task yet, or is deleted by force. At that moment another process may be starting its
task, and die before it has noted that; or the provider does not answer who would stop it. So what tells whose task it
is, and what that costs, is written with such a removal, under the pod's uid. The task itself is found by the provider's
list, and from then on by its handle.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from chalicelib.apimachinery.accessors import annotations_of, is_terminal
from chalicelib.apimachinery.rules.time import after, find_time, format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.parked import is_parked
from chalicelib.controllers.podmodel.record import handle_of, is_gated, lost_task, task_uid_of, with_state
from chalicelib.controllers.pods.records import PodRecords
from chalicelib.controllers.pods.store import Observer
from chalicelib.controllers.pods.tasks import in_hundreds, stop_orphan
from chalicelib.controllers.translation.task import Node
from chalicelib.providers.base import Provider, TaskState
from chalicelib.resources.pods.marks import BOUND_TASK
from chalicelib.storage.base import Change, KeyExists, KeyNotFound, RevisionConflict, Storage
from chalicelib.storage.keys import object_key, prefix

LOG = logging.getLogger(__name__)

REMOVED = "sparkanywhere-removed"  # by the uid that the pod's task was started under
# Lambda ends a function after 15 minutes: whoever was starting a task has done so by then, or never will.
KEEP_SECONDS = 900.0
LOST_SECONDS = 60.0  # a provider may need that long until it knows what it has just started
METADATA = ("name", "namespace", "uid", "labels", "ownerReferences", "creationTimestamp")
CONTAINER = ("name", "image", "resources", "restartPolicy")


class RemovedPods:
    """Safe to call from many threads, and to repeat. Methods raise StorageError."""

    def __init__(
        self,
        storage: Storage,
        provider: Provider,
        *,
        node: Node,
        record_usage: Observer,
        records: PodRecords,
        clock: Callable[[], datetime],
    ) -> None:
        self._storage = storage
        self._provider = provider
        self._node = node
        self._record_usage = record_usage
        self._records = records
        self._clock = clock

    def before_removal(self, pod: JSON) -> Sequence[Change]:
        """Return the write that goes with a pod's removal, none for one that has seen the end of its task."""
        if is_parked(pod) and BOUND_TASK in annotations_of(pod):
            return ()  # its task has another pod now
        if not self._node.runs(pod) or is_gated(pod) or (handle_of(pod) and is_terminal(pod)):
            return ()
        return (self._keeping(pod),)

    def keep_ended(self, pod: JSON) -> None:
        """Keep aside a pod that was ended before it had a task, since one has appeared. May be repeated."""
        if not handle_of(pod):
            change = self._keeping(pod)
            with suppress(KeyExists):
                self._storage.create(change.key, change.obj or {})

    def _keeping(self, pod: JSON) -> Change:
        uid = task_uid_of(pod)
        kept = {"metadata": {"name": uid, "uid": f"{REMOVED}/{uid}"}, "removed": format_time(self._clock())}
        return Change("ADDED", object_key(REMOVED, None, uid), {**kept, "pod": _short(pod)})

    def observe(self, state: TaskState) -> bool:
        """Take in a report on a task whose pod is gone; return whether anything is kept of that.

        What the task has used by now is recorded, in place of what was recorded of the pod before.
        """
        try:
            stored = self._storage.get(object_key(REMOVED, None, state.uid))
        except KeyNotFound:
            return False
        record = stored.object()
        pod = with_state(record["pod"], state, node_name=self._node.name, now=self._clock()) or record["pod"]
        if handle_of(pod) != state.handle:
            return False
        self._record_usage(pod)
        self._records.amend(pod)
        try:
            if state.phase == "stopped":
                self._storage.delete(stored.key, expected_revision=stored.revision)
            elif pod != record["pod"]:
                self._storage.update(stored.key, {**record, "pod": pod}, expected_revision=stored.revision)
        except (KeyNotFound, RevisionConflict):
            LOG.info("another process has heard of the task as well uid=%s", state.uid)
        return True

    def sweep(self) -> None:
        """End the tasks that are known and not seen to have ended, and let go of pods that have been kept long enough.

        Raises ProviderUnavailable at the end where it could not be told of some tasks.
        """
        kept = {item: item.object() for item in self._storage.list(prefix(REMOVED)).items}
        by_handle = {handle_of(record["pod"]): record for record in kept.values() if handle_of(record["pod"])}
        told = in_hundreds(self._provider.describe, list(by_handle))
        for state in told.states:
            by_handle.pop(state.handle, None)
            if state.phase != "stopped":
                stop_orphan(self._provider, state)
            self.observe(state)
        for handle, record in by_handle.items():
            if handle not in told.untold and self._has_passed(record, LOST_SECONDS):
                lost = lost_task(record["pod"], now=find_time(record["removed"]) or self._clock())
                self.observe(replace(lost, uid=task_uid_of(record["pod"])))
        for item, record in kept.items():
            if not handle_of(record["pod"]) and self._has_passed(record, KEEP_SECONDS):
                with suppress(KeyNotFound, RevisionConflict):  # a report has just come
                    self._storage.delete(item.key, expected_revision=item.revision)
        if told.refused:
            raise told.refused

    def _has_passed(self, record: JSON, seconds: float) -> bool:
        removed = find_time(record.get("removed"))
        return removed is None or self._clock() >= after(removed, seconds)


def _short(pod: JSON) -> JSON:
    """Return what of a pod a report on its task and the price of that need."""
    metadata, spec = pod["metadata"], pod["spec"]
    ours = {name: text for name, text in annotations_of(pod).items() if "sparkanywhere.io/" in name}
    containers = {
        kind: [{name: each[name] for name in CONTAINER if name in each} for each in spec.get(kind) or ()]
        for kind in ("initContainers", "containers")
    }
    return {
        "metadata": {**{name: metadata[name] for name in METADATA if name in metadata}, "annotations": ours},
        "spec": {**spec, **containers},
        "status": pod.get("status") if handle_of(pod) else {"phase": "Pending"},
    }
