"""The reactions to changes: which controllers act on which writes, as a table by resource.

No reaction raises: the write that it follows has happened, and what fails here is repeated by resync.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from chalicelib.apimachinery.accessors import is_deleting, is_terminal, labels_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.changes import ANY, Changes, Event
from chalicelib.controllers.cluster.evictions import Evictions
from chalicelib.controllers.cluster.nodes import NodeController
from chalicelib.controllers.cluster.services import ServiceController
from chalicelib.controllers.cost.budget_enforcer import BudgetEnforcer
from chalicelib.controllers.cost.usage_records import UsageRecords
from chalicelib.controllers.files.staged_files import StagedFiles
from chalicelib.controllers.lifecycle.claims import VolumeClaims, claims_of, is_protected
from chalicelib.controllers.lifecycle.definitions import DefinitionController
from chalicelib.controllers.lifecycle.garbage import Garbage
from chalicelib.controllers.lifecycle.job_secrets import JobSecrets, has_ended
from chalicelib.controllers.lifecycle.namespace_objects import NamespaceObjects
from chalicelib.controllers.lifecycle.namespaces import NamespaceEmptier
from chalicelib.controllers.podmodel.index import PodIndex
from chalicelib.controllers.pods.cause_finder import CauseFinder
from chalicelib.controllers.pods.controller import PodController
from chalicelib.controllers.pods.deletions import Interruptions, PodExpiry
from chalicelib.controllers.pods.launches import LaunchRequests
from chalicelib.controllers.pods.parking import ParkedTasks
from chalicelib.controllers.pods.records import PodRecords
from chalicelib.controllers.pods.resync import BATCH, Resync
from chalicelib.controllers.pods.start_finder import StartFinder
from chalicelib.controllers.policy.quotas import Quotas
from chalicelib.controllers.runtime.background import Later
from chalicelib.controllers.runtime.recorder import Recorder
from chalicelib.controllers.workloads.controller import KINDS as WORKLOADS
from chalicelib.controllers.workloads.controller import WorkloadController
from chalicelib.resources.cluster.marks import PROVIDER_LABEL
from chalicelib.resources.custom.customresourcedefinitions import DEFINITIONS
from chalicelib.resources.pods.marks import TASK_ANNOTATION
from chalicelib.resources.pods.podrecords import RESOURCE as PODRECORDS
from chalicelib.storage.base import Storage
from chalicelib.storage.keys import prefix

if TYPE_CHECKING:
    from chalicelib.controllers.probes.prober import Prober

STORED: tuple[Event, ...] = ("ADDED", "MODIFIED")
GONE: tuple[Event, ...] = ("DELETED", "REMOVED")
WAITED_FOR = ("configmaps", "secrets", "persistentvolumeclaims", "serviceaccounts")

# As long as a real cluster's controllers take: a client that deletes in the foreground sees the object wait.
FINALIZER_DELAY_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """The controllers that remove objects when it is time."""

    garbage: Garbage
    namespaces: NamespaceEmptier
    namespace_objects: NamespaceObjects
    claims: VolumeClaims
    definitions: DefinitionController
    job_secrets: JobSecrets
    expiry: PodExpiry


@dataclass(frozen=True, slots=True, kw_only=True)
class Controllers:
    """The controllers of one control plane, wired."""

    pods: PodController
    parking: ParkedTasks | None  # None: the provider binds no task late
    launches: LaunchRequests | None  # None: a pod is launched by the process that has stored it
    prober: Prober | None  # None: no probe can be run
    causes: CauseFinder
    starts: StartFinder
    interruptions: Interruptions
    resync: Resync
    recorder: Recorder
    budget_enforcer: BudgetEnforcer
    usage: UsageRecords
    records: PodRecords
    quotas: Quotas
    lifecycle: Lifecycle
    workloads: WorkloadController
    nodes: NodeController
    evictions: Evictions
    services: ServiceController
    files: StagedFiles | None  # None: they can be kept nowhere


class Reactions:
    """Has the controllers act on changes, soon.

    `scans` is for hosts whose memory does not last (Lambda): waiting pods are then looked for in the store. Without
    `launches` no controller makes objects of others.
    """

    def __init__(
        self, controllers: Controllers, *, storage: Storage, index: PodIndex, later: Later, scans: bool, launches: bool
    ) -> None:
        self._controllers = controllers
        self._storage = storage
        self._index = index
        self._later = later
        self._scans = scans
        self._launches = launches

    def subscribe_to(self, changes: Changes) -> None:
        """Subscribe to the changes of every resource."""
        on, to, later = changes.subscribe, self._controllers, self._later
        on("pods", ["ADDED"], self._start_pod)
        on("pods", ["MODIFIED"], self._sync_pod, lambda _, pod: later(partial(to.pods.regate, pod)))
        on("pods", GONE, lambda *_: later(self._sync_placeable))
        on("pods", ["STATUS"], self._place_waiting, lambda _, pod: to.causes.pod_changed(pod))
        on("pods", ["STATUS"], lambda _, pod: to.starts.pod_changed(pod))
        on("nodes", STORED, self._sync_unplaced)
        on("pods", ["STATUS"], self._recount_ended, lambda _, pod: to.interruptions.pod_changed(pod))
        on("pods", ("MODIFIED", "STATUS"), self._end_secrets)
        on("jobs", ["MODIFIED"], self._end_secrets)
        on("pods", ["DELETED"], lambda _, pod: later(partial(to.pods.forget, pod)))
        if parking := to.parking:
            on("pods", ("MODIFIED", "STATUS"), lambda _, pod: later(partial(parking.pod_changed, pod)))
            on("pods", GONE, lambda _, pod: later(partial(parking.pod_gone, pod)))
        on("pods", GONE, lambda _, pod: to.usage.after_delete(pod), self._release_claims)
        on(PODRECORDS, ["DELETED"], lambda _, record: to.records.forget(record))
        on("pods", ("MODIFIED", "STATUS", *GONE), to.services.pod_changed)
        for resource in ("services", "endpointslices"):
            on(resource, (*STORED, *GONE), to.services.changed)
        if prober := to.prober:
            on("pods", ("MODIFIED", "STATUS"), lambda _, pod: prober.follow(pod))
            on("pods", GONE, lambda _, pod: prober.forget(pod))
        for resource in WAITED_FOR:
            on(resource, STORED, self._wake_pods)
        if self._launches:
            on("persistentvolumeclaims", ["MODIFIED"], lambda _, each: later(partial(to.lifecycle.claims.expand, each)))
        on(DEFINITIONS, STORED, lambda _, each: later(partial(to.lifecycle.definitions.sync, each["metadata"]["name"])))
        on("serviceaccounts", GONE, self._keep_namespace_object)
        on("configmaps", ("MODIFIED", *GONE), self._keep_namespace_object)
        on("resourcequotas", STORED, lambda _, quota: to.quotas.recount_soon(quota["metadata"]["namespace"]))
        if self._launches:
            for resource in WORKLOADS:
                on(resource, STORED, self._sync_workload)
            for resource in {each.owns for each in WORKLOADS.values()}:
                on(resource, (*STORED, *GONE, "STATUS"), self._sync_owner)
        on(ANY, ["ADDED"], self._look_up_owners_here)
        on(ANY, ["MODIFIED"], self._look_up_owners)
        on(ANY, ["MODIFIED"], self._act_on_finalizers)
        on(ANY, GONE, self._clean_up)

    def _start_pod(self, _: str, pod: JSON) -> None:
        self._later(partial(self._start, pod))

    def _start(self, pod: JSON) -> None:
        to = self._controllers
        if to.launches is not None and to.pods.is_to_launch(pod):
            if to.launches.ask(pod):
                return  # who launches it looks up its owners, too
            self._look_up_owners("pods", pod)
        # On a host that scans, later is now, and a read that is saved saves the client's time.
        to.pods.sync(pod, is_fresh=self._scans)

    def _sync_pod(self, _: str, pod: JSON) -> None:
        if is_deleting(pod) or not is_terminal(pod):
            self._later(partial(self._controllers.pods.sync, pod))

    def _place_waiting(self, _: str, pod: JSON) -> None:
        """Start pods that there is room for, if this one has ended."""
        if is_terminal(pod):
            self._later(self._sync_placeable)

    def _sync_placeable(self) -> None:
        for key in self._controllers.pods.placeable():
            self._later(partial(self._controllers.pods.place, key))

    def _sync_unplaced(self, _: str, node: JSON) -> None:
        """Try the pods that have no task yet: a node may take other pods than before, or have more room.

        Where functions of their own launch pods, the resync hands them those that wait: each process writes the node
        when it is new, and would launch all of them once more.
        """
        if labels_of(node).get(PROVIDER_LABEL):
            if self._controllers.launches is None:
                self._later(self._sync_without_task)
            self._later(partial(self._controllers.evictions.node_changed, node))

    def _sync_without_task(self) -> None:
        for item in self._index.look().unfinished:
            if f'"{TASK_ANNOTATION}":' not in item.json and not item.ending:
                self._later(partial(self._controllers.pods.sync_key, item.key))

    def _recount_ended(self, _: str, pod: JSON) -> None:
        if is_terminal(pod):
            self._controllers.quotas.object_gone(pod["metadata"].get("namespace", ""))

    def _end_secrets(self, resource: str, owner: JSON) -> None:
        if has_ended(resource, owner):
            self._later(partial(self._controllers.lifecycle.job_secrets.owner_ended, owner))

    def _release_claims(self, _: str, pod: JSON) -> None:
        namespace = pod["metadata"].get("namespace", "")
        for name in claims_of(pod):
            self._later(partial(self._controllers.lifecycle.claims.release, "persistentvolumeclaims", namespace, name))

    def _wake_pods(self, resource: str, obj: JSON) -> None:
        namespace, name = obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
        if self._scans:
            self._later(partial(self._wake_stored, namespace, name))
            return
        pods = self._controllers.pods
        for key in pods.waiting.wanting((resource, namespace, name)):
            self._later(partial(pods.sync_key, key))

    def _wake_stored(self, namespace: str, name: str) -> None:
        """Have the pods launched that name the object and have no task yet; their text tells without decoding."""
        launches, pods = self._controllers.launches, self._controllers.pods
        items = self._storage.list(prefix("pods", namespace)).items
        named = [each for each in items if f'"{name}"' in each.json and f'"{TASK_ANNOTATION}":' not in each.json]
        woken = {each.key: pod for each in named if pods.is_to_launch(pod := each.object())}
        keys = list(woken)
        while keys and launches and launches.ask_for(keys[:BATCH]):
            del keys[:BATCH]
        for key in keys:
            pods.sync(woken[key])

    def _keep_namespace_object(self, resource: str, obj: JSON) -> None:
        self._later(partial(self._controllers.lifecycle.namespace_objects.changed, resource, obj))

    def _sync_workload(self, resource: str, obj: JSON) -> None:
        metadata = obj["metadata"]
        sync = self._controllers.workloads.sync
        self._later(partial(sync, resource, metadata["namespace"], metadata["name"]))

    def _sync_owner(self, _: str, obj: JSON) -> None:
        if obj["metadata"].get("ownerReferences"):
            self._later(partial(self._controllers.workloads.sync_owner, obj))

    def _clean_up(self, resource: str, obj: JSON) -> None:
        if resource == "events":
            return  # own nothing, and expire by the thousand
        to, namespace = self._controllers.lifecycle, obj["metadata"].get("namespace", "")
        self._later(partial(to.garbage.owner_gone, obj))
        self._controllers.quotas.object_gone(namespace)
        if "." in resource:  # a custom resource: its definition may wait for it
            self._later(partial(to.definitions.object_gone, resource))
        if to.namespaces.is_emptying(namespace):
            self._later(partial(to.namespaces.empty, namespace))

    def _look_up_owners(self, _: str, obj: JSON) -> None:
        if obj["metadata"].get("ownerReferences") and not is_deleting(obj):
            self._later(partial(self._controllers.lifecycle.garbage.dependents_stored, [obj]))

    def _look_up_owners_here(self, resource: str, obj: JSON) -> None:
        """Do so unless a pod's launch is asked of a function of its own: a client waits for each read."""
        to = self._controllers
        if resource != "pods" or to.launches is None or not to.pods.is_to_launch(obj):
            self._look_up_owners(resource, obj)

    def _act_on_finalizers(self, resource: str, obj: JSON) -> None:
        if not is_deleting(obj):
            return
        to, metadata = self._controllers.lifecycle, obj["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        due = [partial(to.garbage.release, metadata["uid"])] if to.garbage.is_held(obj) else []
        if resource == "namespaces":
            due.append(partial(to.namespaces.empty, name))
        if is_protected(resource, obj):
            due.append(partial(to.claims.release, resource, namespace, name))
        for work in due:
            self._later(work, delay_seconds=FINALIZER_DELAY_SECONDS)
