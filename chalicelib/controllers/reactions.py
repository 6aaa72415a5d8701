"""Reactions: which controllers act on which changes, as a table by resource.

None of them raises: the write that they follow has happened, and what fails here is repeated by resync.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from chalicelib.apimachinery.accessors import is_deleting, is_terminal
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.cluster.nodes import NodeController
from chalicelib.controllers.cost.budget_enforcer import BudgetEnforcer
from chalicelib.controllers.cost.usage_records import UsageRecords
from chalicelib.controllers.files.staged_files import StagedFiles
from chalicelib.controllers.lifecycle.claims import VolumeClaims, claims_of, is_protected
from chalicelib.controllers.lifecycle.definitions import DefinitionController
from chalicelib.controllers.lifecycle.garbage import Garbage
from chalicelib.controllers.lifecycle.namespaces import NamespaceEmptier
from chalicelib.controllers.pods.controller import PodController
from chalicelib.controllers.pods.expiry import PodExpiry
from chalicelib.controllers.pods.interruptions import Interruptions
from chalicelib.controllers.pods.resync import Resync
from chalicelib.controllers.policy.quotas import Quotas
from chalicelib.controllers.runtime.background import Later
from chalicelib.controllers.runtime.changes import ANY, Changes, Event
from chalicelib.controllers.runtime.recorder import EventRecorder
from chalicelib.controllers.workloads.controller import KINDS as WORKLOADS
from chalicelib.controllers.workloads.controller import WorkloadController
from chalicelib.resources.custom.customresourcedefinitions import DEFINITIONS
from chalicelib.storage.base import Storage
from chalicelib.storage.keys import prefix

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
    claims: VolumeClaims
    definitions: DefinitionController
    expiry: PodExpiry


@dataclass(frozen=True, slots=True, kw_only=True)
class Controllers:
    """The controllers of one control plane, wired."""

    pods: PodController
    interruptions: Interruptions
    resync: Resync
    recorder: EventRecorder
    budget_enforcer: BudgetEnforcer
    usage: UsageRecords
    quotas: Quotas
    lifecycle: Lifecycle
    workloads: WorkloadController
    nodes: NodeController
    files: StagedFiles | None  # None: they can be kept nowhere


class Reactions:
    """Has the controllers act on changes, soon.

    `scans` is for hosts whose memory does not last (Lambda): waiting pods are then looked for in the store. Without
    `launches` no controller makes objects of others.
    """

    def __init__(
        self, controllers: Controllers, *, storage: Storage, later: Later, scans: bool, launches: bool
    ) -> None:
        self._controllers = controllers
        self._storage = storage
        self._later = later
        self._scans = scans
        self._launches = launches

    def subscribe_to(self, changes: Changes) -> None:
        """Subscribe to the changes of every resource."""
        on = changes.subscribe
        on("pods", ["ADDED"], self._start_pod)
        on("pods", ["MODIFIED"], self._sync_pod)
        on("pods", ["STATUS"], self._recount_ended, self._interrupt)
        on("pods", ["DELETED"], self._forget_pod)
        on("pods", GONE, self._sum_up_usage, self._release_claims)
        for resource in WAITED_FOR:
            on(resource, STORED, self._wake_pods)
        on(DEFINITIONS, STORED, self._sync_definition)
        on("resourcequotas", STORED, self._recount)
        if self._launches:
            for resource in WORKLOADS:
                on(resource, STORED, self._sync_workload)
            for resource in ("pods", "replicasets"):
                on(resource, (*STORED, *GONE, "STATUS"), self._sync_owner)
        on(ANY, ["MODIFIED"], self._act_on_finalizers)
        on(ANY, GONE, self._clean_up)

    def _start_pod(self, _: str, pod: JSON) -> None:
        # On a host that scans, later is now, and a read that is saved saves the client's time.
        self._later(partial(self._controllers.pods.sync, pod, is_fresh=self._scans))

    def _sync_pod(self, _: str, pod: JSON) -> None:
        if is_deleting(pod) or not is_terminal(pod):
            self._later(partial(self._controllers.pods.sync, pod))

    def _forget_pod(self, _: str, pod: JSON) -> None:
        self._later(partial(self._controllers.pods.forget, pod))

    def _recount_ended(self, _: str, pod: JSON) -> None:
        if is_terminal(pod):
            self._controllers.quotas.object_gone(pod["metadata"].get("namespace", ""))

    def _interrupt(self, _: str, pod: JSON) -> None:
        self._controllers.interruptions.pod_changed(pod)

    def _sum_up_usage(self, _: str, pod: JSON) -> None:
        self._controllers.usage.after_delete(pod)

    def _release_claims(self, _: str, pod: JSON) -> None:
        namespace = pod["metadata"].get("namespace", "")
        for name in claims_of(pod):
            self._later(
                partial(self._controllers.lifecycle.claims.release, "persistentvolumeclaims", namespace, name)
            )

    def _wake_pods(self, resource: str, obj: JSON) -> None:
        """Sync the pods that wait for this object."""
        namespace, name = obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
        pods = self._controllers.pods
        for key in pods.waiting.wanting((resource, namespace, name)):
            self._later(partial(pods.sync_key, key))
        if self._scans:
            self._later(partial(self._wake_stored, namespace, name))

    def _wake_stored(self, namespace: str, name: str) -> None:
        """Sync the pods that name the object and have no node yet; their text tells without decoding."""
        for item in self._storage.list(prefix("pods", namespace)).items:
            if f'"{name}"' in item.json and '"nodeName":' not in item.json:
                self._controllers.pods.sync(item.object())

    def _sync_definition(self, _: str, definition: JSON) -> None:
        self._later(partial(self._controllers.lifecycle.definitions.sync, definition["metadata"]["name"]))

    def _recount(self, _: str, quota: JSON) -> None:
        self._controllers.quotas.recount_soon(quota["metadata"]["namespace"])

    def _sync_workload(self, resource: str, obj: JSON) -> None:
        metadata = obj["metadata"]
        sync = self._controllers.workloads.sync
        self._later(partial(sync, resource, metadata["namespace"], metadata["name"]))

    def _sync_owner(self, _: str, obj: JSON) -> None:
        if obj["metadata"].get("ownerReferences"):
            self._later(partial(self._controllers.workloads.sync_owner, obj))

    def _clean_up(self, resource: str, obj: JSON) -> None:
        """Have done what waited for this object to be gone."""
        if resource == "events":
            return  # own nothing, and expire by the thousand
        to, namespace = self._controllers.lifecycle, obj["metadata"].get("namespace", "")
        self._later(partial(to.garbage.owner_gone, obj))
        self._controllers.quotas.object_gone(namespace)
        if "." in resource:  # a custom resource: its definition may wait for it
            self._later(partial(to.definitions.object_gone, resource))
        if to.namespaces.is_emptying(namespace):
            self._later(partial(to.namespaces.empty, namespace))

    def _act_on_finalizers(self, resource: str, obj: JSON) -> None:
        """Have done what the finalizers of a deleting object ask for."""
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
