"""WorkloadController: does what the plans say, one workload at a time, again until nothing is left to do."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from chalicelib.apimachinery.accessors import annotations_of, is_deleting, status_of
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.family import dependents_of
from chalicelib.controllers.runtime.background import guarded
from chalicelib.controllers.runtime.backoff import Backoff, Pauses
from chalicelib.controllers.runtime.objects import DeleteObject
from chalicelib.controllers.runtime.recorder import News, Recorder
from chalicelib.controllers.workloads import cronjobs, deployments, jobs, sets
from chalicelib.controllers.workloads.plan import ENDS_COUNT_SECONDS, WorkloadPlan, ends_of
from chalicelib.registry.options import WriteOptions
from chalicelib.registry.registry import Registry
from chalicelib.resources.pods.marks import CREATOR
from chalicelib.storage.base import KeyNotFound, Storage
from chalicelib.storage.keys import object_key, parse_key, prefix

LOG = logging.getLogger(__name__)

MAX_ROUNDS = 50  # of one workload at one go; the sweep takes it from there
# Until an object that was refused (by a quota, say) is tried again
REFUSED = Pauses(10.0, 300.0)
WRITER = WriteOptions(field_manager="sparkanywhere")

PlanOf = Callable[[JSON, list[JSON], datetime, Collection[datetime]], WorkloadPlan]


@dataclass(frozen=True, slots=True)
class WorkloadKind:
    """A kind of workload: what it owns, and the function that plans for it."""

    group: str
    kind: str
    owns: str
    plan: PlanOf


KINDS = {
    "cronjobs": WorkloadKind("batch", "CronJob", "jobs", cronjobs.plan),
    "jobs": WorkloadKind("batch", "Job", "pods", jobs.plan),
    "replicasets": WorkloadKind("apps", "ReplicaSet", "pods", sets.replica_set_plan),
    "statefulsets": WorkloadKind("apps", "StatefulSet", "pods", sets.stateful_set_plan),
    "deployments": WorkloadKind("apps", "Deployment", "replicasets", deployments.plan),
}
_RESOURCES = {each.kind: resource for resource, each in KINDS.items()}
_TOLD = {"pods": "pod:", "jobs": "job"}  # what Events tell of when it is made or deleted, as they call it
Key = tuple[str, str, str]  # resource, namespace, name


class WorkloadController:
    """Keeps workloads and their pods in step. Safe to call from many threads, and to repeat."""

    def __init__(
        self,
        *,
        storage: Storage,
        registries: Mapping[tuple[str, str], Registry],
        delete: DeleteObject,
        recorder: Recorder,
        clock: Callable[[], datetime],
    ) -> None:
        self._storage = storage
        self._registries = registries
        self._delete = delete
        self._recorder = recorder
        self._clock = clock
        self._guard = threading.Lock()
        self._busy: set[Key] = set()
        self._again: set[Key] = set()
        self._due: dict[Key, datetime] = {}
        self._ends: dict[Key, dict[str, datetime]] = {}  # of pods that have ended, by the uids of owner and pod
        self._refused = Backoff()

    def sync_owner(self, dependent: JSON) -> None:
        """Sync the workload that controls an object, if one does."""
        metadata = dependent["metadata"]
        for owner in metadata.get("ownerReferences") or ():
            resource = _RESOURCES.get(owner.get("kind", ""))
            if owner.get("controller") and resource:
                self.sync(resource, metadata.get("namespace", ""), owner["name"])

    def sync(self, resource: str, namespace: str, name: str) -> None:
        """Do what a workload needs; if that is being done already, have it looked at once more."""
        key = (resource, namespace, name)
        with self._guard:
            if key in self._busy:
                self._again.add(key)
                return
            self._busy.add(key)
        try:
            for _ in range(MAX_ROUNDS):
                with self._guard:
                    self._again.discard(key)
                self._once(key)
                with self._guard:
                    if key not in self._again:
                        # under the same lock, so that no caller finds it busy and leaves
                        self._busy.discard(key)
                        return
        finally:
            with self._guard:
                self._busy.discard(key)

    def run_due(self) -> None:
        """Sync what has waited for its time. Cheap if there is none."""
        now = self._clock()
        for key in [key for key, due in list(self._due.items()) if due <= now]:
            self._due.pop(key, None)
            self.sync(*key)

    def sweep(self) -> None:
        """Sync every workload: what a lost event or another process left undone."""
        for resource in KINDS:
            for item in self._storage.list(prefix(resource)).items:
                guarded(partial(self.sync, *parse_key(item.key)))

    def _once(self, key: Key) -> None:
        resource, namespace, name = key
        workload = KINDS[resource]
        try:
            stored = self._storage.get(object_key(resource, namespace, name))
        except KeyNotFound:
            self._due.pop(key, None)
            self._ends.pop(key, None)
            return
        owner = stored.object()
        if is_deleting(owner):
            return
        dependents = dependents_of(self._storage, owner["metadata"]["uid"], namespace)
        owned = [item.object() for item in dependents if parse_key(item.key)[0] == workload.owns]
        plan = workload.plan(owner, owned, self._clock(), self._recent_ends(key, owner, owned))
        if plan.due_seconds is not None:
            self._due[key] = self._clock() + timedelta(seconds=plan.due_seconds)
        try:
            self._do(key, owner, plan)
        except StatusError as error:
            if error.code not in (404, 409):
                raise
            with self._guard:
                self._again.add(key)  # another process was faster: look again

    def _recent_ends(self, key: Key, owner: JSON, owned: list[JSON]) -> Collection[datetime]:
        """Return when pods of an owner ended by themselves within the last hour, those too that are gone by now."""
        of_owner, now = f"{owner['metadata']['uid']}/", self._clock()
        ended = ends_of(each for each in owned if not is_deleting(each))
        known = self._ends.get(key, {}) | {of_owner + uid: end for uid, end in ended.items()}
        self._ends[key] = {
            uid: end
            for uid, end in known.items()
            if uid.startswith(of_owner) and (now - end).total_seconds() < ENDS_COUNT_SECONDS
        }
        return self._ends[key].values()

    def _do(self, key: Key, owner: JSON, plan: WorkloadPlan) -> None:
        resource, namespace, name = key
        if plan.removes_owner:
            self._delete(resource, namespace, name, uid=owner["metadata"]["uid"])
            return
        if plan.status != status_of(owner):
            changed = {**owner, "status": plan.status}
            self._registry(resource).update(namespace, name, changed, WRITER, subresource="status")
        for annotated, obj, wanted in plan.annotate:
            metadata = {**obj["metadata"], "annotations": {**annotations_of(obj), **wanted}}
            self._registry(annotated).update(namespace, metadata["name"], {**obj, "metadata": metadata}, WRITER)
        for made in plan.create:
            if not self._create(key, owner, *made):
                break
        for replica_set, replicas in plan.scale:
            changed = {**replica_set, "spec": {**replica_set["spec"], "replicas": replicas}}
            own_name = replica_set["metadata"]["name"]
            self._registry("replicasets").update(namespace, own_name, changed, WRITER)
        owns = KINDS[resource].owns
        for owned in plan.delete:
            own_name, uid = owned["metadata"]["name"], owned["metadata"]["uid"]
            try:
                self._delete(owns, namespace, own_name, uid=uid)
            except StatusError as error:
                if error.code not in (404, 409):
                    raise
                continue
            if owns in _TOLD:
                gone = News("Normal", "SuccessfulDelete", f"Deleted {_TOLD[owns]} {own_name}")
                self._recorder.record(owner, [gone], kind=KINDS[resource].kind)
        self._recorder.record(owner, plan.events, kind=KINDS[resource].kind)

    def _registry(self, resource: str) -> Registry:
        group = KINDS[resource].group if resource in KINDS else ""
        return self._registries[(group, resource)]

    def _create(self, key: Key, owner: JSON, resource: str, obj: JSON) -> bool:
        """Create something; False if it was refused, which is told and tried again later."""
        kind = KINDS[key[0]].kind
        name = obj["metadata"]["name"]
        try:
            self._registry(resource).create(key[1], obj, replace(WRITER, user=annotations_of(owner).get(CREATOR, "")))
        except StatusError as error:
            if error.reason == "AlreadyExists":
                return True  # another process, or the same before a crash
            failed = News("Warning", "FailedCreate", f"Error creating: {error.message}")
            self._recorder.record(owner, [failed], kind=kind)
            self._due[key] = self._refused.postpone("/".join(key), self._clock(), REFUSED)
            return False
        self._refused.forget("/".join(key))
        if resource in _TOLD:
            made = News("Normal", "SuccessfulCreate", f"Created {_TOLD[resource]} {name}")
            self._recorder.record(owner, [made], kind=kind)
        return True
