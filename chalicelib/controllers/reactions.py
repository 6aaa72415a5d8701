"""Reactions: after each write of an object, what else has to move.

The one hook of the Registry, and of the controllers that take objects out of the store themselves. Never raises: the
write it follows has happened, and what fails here is resync's to repeat.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Literal

from chalicelib.apimachinery.accessors import is_deleting, is_terminal
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.cost.usage_records import UsageRecords
from chalicelib.controllers.lifecycle.claims import VolumeClaims, claims_of, is_protected
from chalicelib.controllers.lifecycle.definitions import DefinitionController
from chalicelib.controllers.lifecycle.garbage import Garbage
from chalicelib.controllers.lifecycle.namespaces import NamespaceEmptier
from chalicelib.controllers.pods.controller import PodController
from chalicelib.controllers.policy.quotas import Quotas
from chalicelib.controllers.runtime.background import Later
from chalicelib.controllers.workloads.controller import KINDS as WORKLOADS
from chalicelib.controllers.workloads.controller import WorkloadController
from chalicelib.registry.keys import prefix
from chalicelib.resources.custom.customresourcedefinitions import DEFINITIONS
from chalicelib.storage.base import Storage

LOG = logging.getLogger(__name__)

WriteEvent = Literal["ADDED", "MODIFIED", "DELETED"]

WAITED_FOR = ("configmaps", "secrets", "persistentvolumeclaims", "serviceaccounts")

# As long as a real cluster's controllers take: a client that deletes in the foreground sees the object wait.
FINALIZER_DELAY_SECONDS = 1.0


class Reactions:
    """Passes each write on to the controllers that it concerns.

    `scans` is for hosts whose memory does not last (Lambda): waiting pods are then looked for in the store.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        pods: PodController,
        garbage: Garbage,
        namespaces: NamespaceEmptier,
        claims: VolumeClaims,
        definitions: DefinitionController,
        quotas: Quotas,
        usage: UsageRecords,
        workloads: WorkloadController | None,
        later: Later,
        scans: bool = False,
    ) -> None:
        self._storage = storage
        self._pods = pods
        self._garbage = garbage
        self._namespaces = namespaces
        self._claims = claims
        self._definitions = definitions
        self._quotas = quotas
        self._usage = usage
        self._workloads = workloads
        self._later = later
        self._scans = scans

    def after_write(self, resource: str, obj: JSON, event: WriteEvent) -> None:
        """Have done what the write of `obj` brings on; returns at once where there are threads for it."""
        if resource == "pods":
            self._pod_written(obj, event)
        elif resource in WAITED_FOR and event != "DELETED":
            self._wake(resource, obj)
        elif resource == DEFINITIONS and event != "DELETED":
            self._later(partial(self._definitions.sync, obj["metadata"]["name"]))
        elif resource == "resourcequotas" and event != "DELETED":
            self._quotas.recount_soon(obj["metadata"]["namespace"])
        elif resource in WORKLOADS and event != "DELETED" and self._workloads is not None:
            metadata = obj["metadata"]
            self._later(partial(self._workloads.sync, resource, metadata["namespace"], metadata["name"]))
        if resource in ("pods", "replicasets") and event != "DELETED":
            self._sync_owner(obj)
        if event == "DELETED":
            self._gone(resource, obj)
        elif is_deleting(obj):
            self._deleting(resource, obj)

    def pod_removed(self, pod: JSON) -> None:
        """Have done what follows when the PodController itself took a pod out of the store."""
        self._gone("pods", pod)

    def pod_changed(self, pod: JSON) -> None:
        """Have done what follows when the PodController has written a pod's status."""
        if is_terminal(pod):
            self._quotas.object_gone(pod["metadata"].get("namespace", ""))
        self._sync_owner(pod)

    def _sync_owner(self, obj: JSON) -> None:
        if self._workloads is not None and obj["metadata"].get("ownerReferences"):
            self._later(partial(self._workloads.sync_owner, obj))

    def _pod_written(self, pod: JSON, event: WriteEvent) -> None:
        if event == "DELETED":
            self._later(partial(self._pods.forget, pod))
        elif is_deleting(pod) or not is_terminal(pod):
            # without threads later is now, and a read that is saved saves the client's time
            self._later(partial(self._pods.sync, pod, is_fresh=self._scans and event == "ADDED"))

    def _wake(self, resource: str, obj: JSON) -> None:
        """Sync the pods that wait for this object."""
        metadata = obj["metadata"]
        namespace = metadata.get("namespace", "")
        for key in self._pods.waiting.wanting((resource, namespace, metadata["name"])):
            self._later(partial(self._pods.sync_key, key))
        if self._scans:
            self._later(partial(self._wake_stored, namespace, metadata["name"]))

    def _wake_stored(self, namespace: str, name: str) -> None:
        """Sync the pods that name the object and have no node yet; their text tells without decoding."""
        for item in self._storage.list(prefix("pods", namespace)).items:
            if f'"{name}"' in item.json and '"nodeName":' not in item.json:
                self._pods.sync(item.object())

    def _gone(self, resource: str, obj: JSON) -> None:
        if resource == "events":
            return  # own nothing, and expire by the thousand
        metadata = obj["metadata"]
        self._later(partial(self._garbage.owner_gone, obj))
        namespace = metadata.get("namespace", "")
        self._quotas.object_gone(namespace)
        if "." in resource:  # a custom resource: its definition may wait for it
            self._later(partial(self._definitions.object_gone, resource))
        if resource in ("pods", "replicasets"):
            self._sync_owner(obj)
        if resource == "pods":
            self._usage.after_delete(obj)
            for name in claims_of(obj):
                self._later(partial(self._claims.release, "persistentvolumeclaims", namespace, name))
        if self._namespaces.is_emptying(namespace):
            self._later(partial(self._namespaces.empty, namespace))

    def _deleting(self, resource: str, obj: JSON) -> None:
        metadata = obj["metadata"]
        delay = FINALIZER_DELAY_SECONDS
        if self._garbage.is_held(obj):
            self._later(partial(self._garbage.release, metadata["uid"]), delay_seconds=delay)
        if resource == "namespaces":
            self._later(partial(self._namespaces.empty, metadata["name"]), delay_seconds=delay)
        if is_protected(resource, obj):
            namespace, name = metadata.get("namespace", ""), metadata["name"]
            self._later(partial(self._claims.release, resource, namespace, name), delay_seconds=delay)
