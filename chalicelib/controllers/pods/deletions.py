"""Pods that are deleted from here: those that finished a while ago, and those whose machine is taken away.

Interrupted (by a Spot notice) as on a cluster whose nodes are drained: Spark then counts the executor as lost and asks
for another at once, before the old one's grace is over. A pod without an owner is kept to show how it ended: nothing
would replace it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from chalicelib.apimachinery.accessors import is_deleting, is_terminal, status_of
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.rules.time import after
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.index import PodIndex
from chalicelib.controllers.podmodel.status import INTERRUPTED_REASON
from chalicelib.controllers.runtime.objects import DeleteObject
from chalicelib.resources.pods.marks import parse_ttl
from chalicelib.storage.base import KeyNotFound, Storage
from chalicelib.storage.keys import prefix

LOG = logging.getLogger(__name__)

APPLICATION = "spark-app-selector"
# On executors that their driver keeps on purpose (deleteOnTermination=false)
INACTIVE = "spark-exec-inactive"


class PodExpiry:
    """Deletes pods that finished longer ago than `keep_seconds`, or than their annotation says."""

    def __init__(
        self,
        *,
        storage: Storage,
        index: PodIndex,
        delete: DeleteObject,
        clock: Callable[[], datetime],
        keep_seconds: float,
    ) -> None:
        self._storage = storage
        self._index = index
        self._delete = delete
        self._clock = clock
        self._keep_seconds = keep_seconds

    def sweep(self) -> None:
        """Delete what has expired by now."""
        for each, ending in self._index.look().ended:
            keep = keep_seconds(ending.ttl, self._keep_seconds)
            if keep is None or ending.at is None or self._clock() < after(ending.at, keep):
                continue
            try:
                metadata = self._storage.get_by_uid(each.uid).object()["metadata"]
            except KeyNotFound:
                continue
            LOG.info("pod expired namespace=%s name=%s", metadata.get("namespace"), metadata["name"])
            self._delete_one("pods", metadata)
            if _is_left_behind(metadata):
                self._clear_application(metadata["namespace"], metadata["labels"][APPLICATION])

    def _clear_application(self, namespace: str, application: str) -> None:
        """Delete the ConfigMaps of an application whose client-mode driver died, with its last executor.

        They have no owner, since the driver is not a pod. A driver that lives deletes its finished
        executors within seconds: one that was left until it expired has no driver any more.
        """
        mark = f'"{application}"'
        pods = (item for item in self._storage.list(prefix("pods", namespace)).items if mark in item.json)
        if any(_application(item.object()["metadata"]) == application for item in pods):
            return
        for item in self._storage.list(prefix("configmaps", namespace)).items:
            if mark in item.json:
                metadata = item.object()["metadata"]
                if _application(metadata) == application and _is_left_behind(metadata):
                    self._delete_one("configmaps", metadata)

    def _delete_one(self, resource: str, metadata: JSON) -> None:
        try:
            self._delete(resource, metadata.get("namespace", ""), metadata["name"], uid=metadata["uid"])
        except StatusError as error:
            if error.code not in (404, 409):
                LOG.warning("%s stays name=%s message=%s", resource, metadata["name"], error.message)


def _application(metadata: JSON) -> str:
    return str((metadata.get("labels") or {}).get(APPLICATION, ""))


def _is_left_behind(metadata: JSON) -> bool:
    """Return whether an executor's object has no driver pod to own it, and was not meant to stay."""
    labels = metadata.get("labels") or {}
    is_executors = labels.get("spark-role") == "executor" and bool(_application(metadata))
    return is_executors and not metadata.get("ownerReferences") and INACTIVE not in labels


def keep_seconds(ttl: str, default: float) -> float | None:
    """Return how long a finished pod with that annotation is kept; None for ever. An unreadable one counts as none."""
    try:
        return parse_ttl(ttl)
    except ValueError:
        return default


class Interruptions:
    """Deletes interrupted pods gracefully. Safe to repeat."""

    def __init__(self, delete: DeleteObject) -> None:
        self._delete = delete

    def pod_changed(self, pod: JSON) -> None:
        """Delete a pod that has been interrupted, has an owner, and has not ended."""
        metadata = pod["metadata"]
        if not is_interrupted(pod) or is_deleting(pod) or is_terminal(pod):
            return
        if not metadata.get("ownerReferences"):
            return
        try:
            self._delete("pods", metadata["namespace"], metadata["name"], uid=metadata["uid"])
        except StatusError as error:
            LOG.info("interrupted pod not deleted uid=%s reason=%s", metadata["uid"], error.reason)


def is_interrupted(pod: JSON) -> bool:
    """Return whether the provider has announced that it takes the pod's task away."""
    conditions = status_of(pod).get("conditions") or ()
    return any(
        each.get("type") == "DisruptionTarget"
        and each.get("status") == "True"
        and each.get("reason") == INTERRUPTED_REASON
        for each in conditions
    )
