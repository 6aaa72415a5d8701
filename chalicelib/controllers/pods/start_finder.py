"""StartFinder: has a driver's pod tell the phases of its start that only its log knows: JVM and register.

It is read from its beginning until all executors are there that the driver waits for: as the driver ends, and at each
resync before. Nothing waits for that. The driver tells of its executors, too: one write for all of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial

from chalicelib.apimachinery.accessors import annotations_of, is_deleting, is_terminal
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.rules.time import find_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.index import PodIndex
from chalicelib.controllers.podmodel.references import References
from chalicelib.controllers.podmodel.refusals import is_driver
from chalicelib.controllers.podmodel.start_phases import SparkStart, told_start, with_spark
from chalicelib.controllers.pods.controller import PodController
from chalicelib.controllers.runtime.background import Later, guarded
from chalicelib.controllers.translation.executor_plan import executors_awaited
from chalicelib.controllers.translation.spark_admission import driver_container
from chalicelib.controllers.translation.task import Node
from chalicelib.providers.base import LogOptions, ProviderError
from chalicelib.resources.pods.marks import START, WAITS_FOR
from chalicelib.storage.base import KeyNotFound, Storage
from chalicelib.storage.keys import object_key
from chalicelib.storage.updates import guaranteed_update

LOG = logging.getLogger(__name__)

HEAD_BYTES = 512 * 1024  # of the log's beginning: Spark logs some 100 KB until its executors have registered
GIVE_UP_SECONDS = 600.0  # after the driver ran: a program may use no Spark, or log nothing of it


class StartFinder:
    """Safe to repeat, and beside other processes. `advice` is the provider's, by phase."""

    def __init__(
        self,
        *,
        storage: Storage,
        index: PodIndex,
        pods: PodController,
        node: Node,
        clock: Callable[[], datetime],
        later: Later,
        advice: Mapping[str, str],
    ) -> None:
        self._storage = storage
        self._index = index
        self._pods = pods
        self._node = node
        self._clock = clock
        self._later = later
        self._advice = advice

    def pod_changed(self, pod: JSON) -> None:
        """Look soon at a driver that has ended."""
        if is_terminal(pod) and self._is_unknown(pod):
            self._later(partial(self._look, pod))

    def sweep(self) -> None:
        """Look at the drivers that run and have not told all. Raises StorageError."""
        for each in self._index.look().unfinished:
            if f'"{START}":' in each.json and self._is_unknown(pod := each.object()):
                guarded(partial(self._look, pod))

    def _is_unknown(self, pod: JSON) -> bool:
        if not is_driver(pod) or is_deleting(pod) or WAITS_FOR in annotations_of(pod):
            return False
        seconds, running_at = told_start(pod)
        is_young = running_at is not None and self._clock() - running_at < timedelta(seconds=GIVE_UP_SECONDS)
        return "register" not in seconds and (is_young or is_terminal(pod))

    def _look(self, pod: JSON) -> None:
        container = driver_container(pod)
        if container is None or not self._pods.is_ours(pod):
            return
        found, options = SparkStart(), LogOptions(limit_bytes=HEAD_BYTES, timestamps=True)
        try:
            text = b"".join(self._pods.logs(pod, container["name"], options)).decode(errors="replace")
        except (StatusError, ProviderError) as error:
            LOG.info("start not found yet uid=%s error=%s", pod["metadata"]["uid"], error)
            return
        for line in text.splitlines():
            moment, _, said = line.partition(" ")
            if at := find_time(moment):
                found.observe(said, at.timestamp())
        references = References(pod, self._node.lookup.now())
        awaited = executors_awaited(pod, lambda name: references.data("configmaps", name))
        uid = pod["metadata"]["uid"]

        def change(old: JSON) -> JSON | None:
            new = with_spark(old, found, self._advice, executors=awaited) if old["metadata"]["uid"] == uid else old
            return None if annotations_of(new) == annotations_of(old) else new

        try:
            guaranteed_update(
                self._storage, object_key("pods", pod["metadata"]["namespace"], pod["metadata"]["name"]), change
            )
        except KeyNotFound:
            return
