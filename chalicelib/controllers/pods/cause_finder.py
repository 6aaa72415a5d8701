"""CauseFinder: has a driver that failed say why, once, in its container's termination message.

The pod has ended before its log is looked at: nothing waits for that. Where a log comes late it is asked again by
the schedule. What an error says is written at once, and what only the lack of one says when the log is complete.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial

from chalicelib.apimachinery.accessors import is_deleting, metadata_of
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.rules.time import find_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.causes.pod_cause import unexplained, with_message
from chalicelib.controllers.causes.redaction import named_secrets, plain_secrets, redacted, values_of
from chalicelib.controllers.podmodel.index import PodIndex
from chalicelib.controllers.pods.controller import PodController
from chalicelib.controllers.runtime.background import Later, guarded
from chalicelib.controllers.runtime.objects import StorageLookup
from chalicelib.providers.base import LogOptions, ProviderError
from chalicelib.storage.base import Storage

LOG = logging.getLogger(__name__)

TAIL_LINES = 2000
TAIL_BYTES = 256 * 1024  # of the log's end
MAX_READ_BYTES = 64 * 1024 * 1024  # of lines without an end; what comes after is not looked at
AGAIN_SECONDS = 5.0  # until a log that comes late is asked again, within the work of one event
GIVE_UP_SECONDS = 600.0  # after a driver's end; then it stays without a word


class CauseFinder:
    """Explains failed drivers. Safe to repeat, and beside other processes: the first sentence stays.

    `python` is the interpreter on this machine that pods run which name none, "" where they run one of their image.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        index: PodIndex,
        pods: PodController,
        clock: Callable[[], datetime],
        later: Later,
        log_delay_seconds: float,
        python: str,
    ) -> None:
        self._storage = storage
        self._index = index
        self._pods = pods
        self._clock = clock
        self._later = later
        self._log_delay_seconds = log_delay_seconds
        self._python = python

    def pod_changed(self, pod: JSON) -> None:
        """Explain the pod soon, if it is a driver that has failed without a word."""
        if unexplained(pod) is None:
            return
        work = partial(self.explain, pod["metadata"]["uid"])
        self._later(work)
        if self._log_delay_seconds:
            self._later(work, delay_seconds=AGAIN_SECONDS)

    def sweep(self) -> None:
        """Explain the drivers that have failed a short time ago and that nobody could explain yet."""
        oldest = self._clock() - timedelta(seconds=GIVE_UP_SECONDS)
        for each, ending in self._index.look().ended:
            if ending.has_failed and ending.role == "driver" and ending.at and ending.at >= oldest:
                guarded(partial(self.explain, each.uid))

    def explain(self, uid: str) -> None:
        """Give a driver its termination message, if enough of its log is there."""
        if pod := self._pods.find(uid):
            self._explain(pod)

    def _explain(self, pod: JSON) -> None:
        container = unexplained(pod)
        if container is None or is_deleting(pod) or not self._pods.is_ours(pod):
            return
        name, ended = container["name"], container["state"]["terminated"]
        try:
            log = self._end_of_log(pod, name)
        except (StatusError, ProviderError) as error:
            LOG.info("cause not found yet uid=%s error=%s", pod["metadata"]["uid"], error)
            return
        from chalicelib.controllers.causes.cause import driver_cause, init_cause  # lazy: many patterns, seldom needed

        is_init = any(each["name"] == name for each in pod["spec"].get("initContainers") or ())
        code = ended["exitCode"]
        cause = (
            init_cause(pod, name, code, log) if is_init else driver_cause(pod, code, log, python=self._python_of(pod))
        )
        is_whole = not self._log_delay_seconds or self._age(container) >= timedelta(seconds=self._log_delay_seconds)
        if cause.is_sure or is_whole:
            message = redacted(cause.sentence, self._secrets(pod))
            self._pods.change_status(
                pod["metadata"]["uid"], lambda old: with_message(old, name, message) if unexplained(old) else None
            )

    def _age(self, container: JSON) -> timedelta:
        """Return how long ago a container ended."""
        now = self._clock()
        return now - (find_time(container["state"]["terminated"].get("finishedAt")) or now)

    def _python_of(self, pod: JSON) -> str:
        env = {each["name"]: each.get("value", "") for each in pod["spec"]["containers"][0].get("env") or ()}
        python = str(env.get("PYSPARK_PYTHON", self._python))
        return python if self._python and python.startswith("/") else ""  # else it is in an archive, or in the PATH

    def _end_of_log(self, pod: JSON, container: str) -> str:
        kept: deque[bytes] = deque()
        size = read = 0
        for piece in self._pods.logs(pod, container, LogOptions(tail_lines=TAIL_LINES)):
            kept.append(piece)
            size, read = size + len(piece), read + len(piece)
            while size - len(kept[0]) >= TAIL_BYTES:
                size -= len(kept.popleft())
            if read > MAX_READ_BYTES:
                break
        return b"".join(kept)[-TAIL_BYTES:].decode("utf-8", "replace")

    def _secrets(self, pod: JSON) -> Iterator[str]:
        """Yield what must not stand in a status: the values of the Secrets that the pod has."""
        yield from plain_secrets(pod)
        lookup, namespace = StorageLookup(self._storage), metadata_of(pod).get("namespace", "")
        for name in named_secrets(pod):
            yield from values_of(lookup.find("secrets", namespace, name) or {})
