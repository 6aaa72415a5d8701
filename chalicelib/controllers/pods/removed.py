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
from functools import partial
from hashlib import sha256

from chalicelib.apimachinery.accessors import annotations_of, is_terminal
from chalicelib.apimachinery.rules.time import after, find_time, format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.family import heads_of
from chalicelib.controllers.podmodel.record import (
    OF_TASK,
    handle_of,
    has_seen_end,
    is_gated,
    lost_task,
    task_uid_of,
    with_state,
)
from chalicelib.controllers.pods.records import PodRecords
from chalicelib.controllers.pods.store import Observer
from chalicelib.controllers.pods.tasks import Told, ask, stop_orphan
from chalicelib.controllers.runtime.one_by_one import OneByOne
from chalicelib.controllers.translation.task import Node
from chalicelib.providers.base import Provider, TaskState
from chalicelib.resources.pods.marks import BOUND_TO, VERSION_ANNOTATION
from chalicelib.storage.base import Change, KeyExists, KeyNotFound, RevisionConflict, Storage
from chalicelib.storage.keys import object_key, prefix

LOG = logging.getLogger(__name__)

REMOVED = "sparkanywhere-removed"  # by the uid that the pod's task was started under
# Lambda ends a function after 15 minutes: whoever was starting a task has done so by then, or never will.
KEEP_SECONDS = 900.0
DIGITS = 12  # that tell the tasks of a pod from one another
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
        if BOUND_TO in annotations_of(pod):
            return ()  # its task has another pod now
        if not self._node.runs(pod) or is_gated(pod) or has_seen_end(pod):
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
        is_known = handle_of(record["pod"]) and not is_terminal(record["pod"])
        known = record["pod"] if is_known else _anew(record["pod"])
        pod = with_state(known, state, node_name=self._node.name, now=self._clock()) or record["pod"]
        if handle_of(pod) != state.handle:
            self.record_second(record["pod"], state)
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

    def record_second(self, pod: JSON, state: TaskState) -> None:
        """Record what a task has used by now that is not the pod's own, though it was started for it. Repeatable.

        It counts to what the pod is a member of, or to the pod itself, as if it were that of a pod that is gone.
        """
        annotations = {name: text for name, text in annotations_of(pod).items() if name not in OF_TASK}
        uid = f"{pod['metadata']['uid']}-{sha256(state.handle.encode()).hexdigest()[:DIGITS]}"
        metadata = {**pod["metadata"], "annotations": annotations, "uid": uid}
        if not heads_of(self._storage, pod):
            metadata["ownerReferences"] = [{"uid": pod["metadata"]["uid"]}]
        started = {**pod, "metadata": metadata, "status": {"phase": "Pending"}}
        if known := with_state(started, state, node_name=self._node.name, now=self._clock()):
            self._record_usage(known)

    def sweep(self) -> None:
        """End the tasks that are known and not seen to have ended, and let go of pods that have been kept long enough.

        Raises ProviderUnavailable at the end where it could not be told of some tasks.
        """
        kept = {item: item.object() for item in self._storage.list(prefix(REMOVED)).items}
        by_handle = {handle_of(record["pod"]): record for record in kept.values() if handle_of(record["pod"])}
        handles = list(by_handle)
        told = ask(partial(self._provider.describe, handles), handles) if handles else Told(())
        each_alone = OneByOne()
        each_alone.failed(told.refused)
        for state in told.states:
            by_handle.pop(state.handle, None)
            each_alone(partial(self.observe, state), default=False)
            if state.phase != "stopped":
                each_alone(partial(stop_orphan, self._provider, state), default=None)
        for item, record in kept.items():
            pod, removed = record["pod"], find_time(record.get("removed")) or self._clock()
            handle = handle_of(pod)
            is_unknown = not handle or (handle in by_handle and handle not in told.untold)
            if not is_unknown or self._clock() < after(removed, KEEP_SECONDS):
                continue
            if handle and not is_terminal(pod):
                lost = replace(lost_task(pod, now=removed, is_deleted=True), uid=task_uid_of(pod))
                each_alone(partial(self.observe, lost), default=False)
                continue
            with suppress(KeyNotFound, RevisionConflict):  # a report has just come
                self._storage.delete(item.key, expected_revision=item.revision)
        each_alone.end()


def _anew(pod: JSON) -> JSON:
    """Return a pod that has counted as lost, or had no task, as one whose task has just begun."""
    annotations = {name: text for name, text in annotations_of(pod).items() if name != VERSION_ANNOTATION}
    return {**pod, "metadata": {**pod["metadata"], "annotations": annotations}, "status": {"phase": "Pending"}}


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
        "status": pod.get("status") or {},
    }
