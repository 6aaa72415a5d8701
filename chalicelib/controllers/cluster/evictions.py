"""Evictions: pods that run on a node with a taint NoExecute that they do not tolerate, or no longer, are deleted.

Compare kubernetes/pkg/controller/tainteviction, v1.36. How long a pod has been tolerating a taint is kept in memory:
after a restart its tolerationSeconds begin anew.
"""

from __future__ import annotations

import logging
from functools import partial

from chalicelib.apimachinery.accessors import is_deleting, is_terminal
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel import scheduling
from chalicelib.controllers.podmodel.index import PodIndex
from chalicelib.controllers.runtime.background import Later
from chalicelib.controllers.runtime.objects import DeleteObject
from chalicelib.controllers.runtime.recorder import News, Recorder
from chalicelib.storage.base import KeyNotFound, Storage
from chalicelib.storage.keys import object_key

LOG = logging.getLogger(__name__)


class Evictions:
    """Deletes pods gracefully, as a client would. Safe to repeat."""

    def __init__(
        self, *, storage: Storage, index: PodIndex, delete: DeleteObject, recorder: Recorder, later: Later
    ) -> None:
        self._storage = storage
        self._index = index
        self._delete = delete
        self._recorder = recorder
        self._later = later

    def node_changed(self, node: JSON) -> None:
        """Evict the pods of a node that do not tolerate it now, and look at those again that do so for a while."""
        if not scheduling.evicting_taints(node):
            return
        name = node["metadata"]["name"]
        mark = f'"nodeName":"{name}"'
        for item in self._index.look().unfinished:
            if mark not in item.json or item.ending:
                continue
            pod = item.object()
            seconds = scheduling.tolerated_seconds(pod, node)
            if seconds is not None and not is_deleting(pod):
                evict = partial(self._evict, item.key, pod["metadata"]["uid"], name)
                self._later(evict, delay_seconds=float(seconds))

    def _evict(self, key: str, uid: str, node_name: str) -> None:
        """Evict a pod if it is still there, and its node still has a taint that it does not tolerate for ever."""
        try:
            pod = self._storage.get(key).object()
            node = self._storage.get(object_key("nodes", None, node_name)).object()
        except KeyNotFound:
            return
        metadata = pod["metadata"]
        if metadata["uid"] != uid or is_deleting(pod) or is_terminal(pod):
            return
        if scheduling.tolerated_seconds(pod, node) is None:
            return
        where = f"{metadata['namespace']}/{metadata['name']}"
        self._recorder.record(pod, [News("Normal", "TaintManagerEviction", f"Marking for deletion Pod {where}")])
        try:
            self._delete("pods", metadata["namespace"], metadata["name"], uid=uid)
        except StatusError as error:
            LOG.info("pod not evicted uid=%s reason=%s", uid, error.reason)
