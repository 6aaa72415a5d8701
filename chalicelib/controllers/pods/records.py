"""PodRecords: what is kept of the pods of Spark applications once they are deleted, each with its logs.

The log is kept first, then the record is written in the transaction that removes the pod, and then the provider
forgets the task. So a record is there if its pod is not, whatever crashes when; on DynamoDB it is there a moment
earlier (base.Storage, of news). A log that was kept for nothing is removed by a sweep.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.apimachinery.accessors import annotations_of, labels_of, metadata_of, spec_of
from chalicelib.apimachinery.rules.status import StatusError, bad_request, unavailable
from chalicelib.apimachinery.rules.time import after, find_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.causes.pod_cause import explained
from chalicelib.controllers.podmodel.container_status import finished_at
from chalicelib.controllers.podmodel.record import handle_of
from chalicelib.controllers.podmodel.usage import has_handed_over
from chalicelib.controllers.pods.log_archive import LogArchive
from chalicelib.controllers.pods.tasks import resumed
from chalicelib.controllers.runtime.background import Later
from chalicelib.controllers.runtime.objects import paged
from chalicelib.providers.base import LogOptions, Provider, ProviderUnavailable, TaskNotFound
from chalicelib.providers.extensions import RemembersLogs
from chalicelib.resources.pods.podrecords import CUT_SHORT, RESOURCE, SPARK_LABELS, record_name, record_of, state_of
from chalicelib.storage.base import Change, KeyNotFound, RevisionConflict, Storage, StoredObject
from chalicelib.storage.keys import object_key, parse_key, prefix
from chalicelib.storage.updates import guaranteed_update

SETTLE_SECONDS = 600.0  # a log that is younger may belong to a pod that is just being removed
TRIM_SHARE = 10  # a namespace is trimmed whenever so large a part of its limit has been written


@dataclass(frozen=True, slots=True)
class RecordLimits:
    """How long records are kept after the pod's end, and how many of a namespace."""

    keep_seconds: float
    per_namespace: int


def container_names(pod: JSON) -> list[str]:
    """Return the names of a pod's containers, init containers first."""
    return [each["name"] for kind in ("initContainers", "containers") for each in spec_of(pod).get(kind) or ()]


class PodRecords:
    """Makes, reads and removes records. Safe to call from many threads, and to repeat.

    `archive` is None where there is no disk that lasts: then logs are those that the provider keeps by itself.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        provider: Provider,
        archive: LogArchive | None,
        clock: Callable[[], datetime],
        limits: RecordLimits,
        later: Later,
    ) -> None:
        self._storage = storage
        self._provider = provider
        self.archive = archive
        self._clock = clock
        self._limits = limits
        self._later = later
        self._written: Counter[str] = Counter()  # by namespace, since it was last trimmed

    def before_removal(self, pod: JSON) -> Sequence[Change]:
        """Keep the logs of a pod; return the write that goes with its removal, none for a pod that leaves no record."""
        labels, now = labels_of(pod), self._clock()
        if not any(labels.get(each) for each in SPARK_LABELS) or has_handed_over(pod):
            return ()
        ended = finished_at(pod)
        if ended is not None and now >= after(ended, self._limits.keep_seconds):
            return ()
        record = record_of(pod, self._keep_logs(pod), now)
        namespace = record["metadata"]["namespace"]
        self._written[namespace] += 1
        if self._written[namespace] > self._limits.per_namespace // TRIM_SHARE:
            self._written[namespace] = 0

            def trim() -> None:
                self._trim(namespace)

            self._later(trim)
        return (Change("ADDED", object_key(RESOURCE, namespace, record["metadata"]["name"]), record),)

    def amend(self, pod: JSON) -> None:
        """Write what the task of a removed pod has come to since into its record, if it has left one. Repeatable.

        A pod that was cut short stays so: its task ended because of that, with whatever exit code.
        """
        name, namespace = record_name(pod["metadata"]), pod["metadata"].get("namespace", "")
        try:
            stored = self._storage.get(object_key(RESOURCE, namespace, name))
        except KeyNotFound:
            return
        logs = self._keep_logs(pod)

        def change(record: JSON) -> JSON:
            old = record["pod"]
            metadata = {**old["metadata"], "annotations": {**annotations_of(old), **annotations_of(pod)}}
            last = {**old, "metadata": metadata, "status": pod["status"]}
            if record["state"] in CUT_SHORT:
                return {**record, "pod": explained(last), "logs": logs}
            return {**record, "pod": last, "state": state_of(last), "logs": logs}

        with suppress(KeyNotFound):
            guaranteed_update(self._storage, stored.key, change, known=stored)

    def _keep_logs(self, pod: JSON) -> list[JSON]:
        """Return where the logs of a pod's containers are from now on; nothing of a pod that never had a task."""
        handle, names = handle_of(pod), container_names(pod)
        if not handle:
            return []
        if isinstance(self._provider, RemembersLogs):
            return [{"container": name, "place": self._provider.log_place(handle, name)} for name in names]
        problems = dict.fromkeys(names, "there is no place to keep it")
        if self.archive is not None:
            problems = self.archive.keep(metadata_of(pod)["uid"], handle, names)
        return [{"container": name, **({"error": problems[name]} if name in problems else {})} for name in names]

    def logs(self, record: JSON, container: str, options: LogOptions) -> Iterator[bytes]:
        """Yield the log of a container of a pod that is gone. Raises StatusError before the first piece."""
        pod, name = record["pod"], record["metadata"]["name"]
        if options.previous:
            raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
        known = {each["container"]: each for each in record.get("logs") or ()}.get(container, {})
        try:
            if known.get("place"):
                pieces = self._provider.logs(handle_of(pod), container, replace(options, follow=False))
                return resumed(next(pieces, b""), pieces)
            kept = self.archive.find(metadata_of(pod)["uid"], container, options) if self.archive else None
        except TaskNotFound:
            kept = None
        except ProviderUnavailable as error:
            raise unavailable(f"{error.reason}: {error.message}") from error
        if kept is None:
            why = known.get("error") or ("it is kept no more" if known else "the container never started")
            raise StatusError(404, "NotFound", f'no log of container "{container}" of pod record "{name}": {why}')
        return kept

    def forget(self, record: JSON) -> None:
        """Remove the logs of a record that was deleted."""
        if self.archive is not None:
            self.archive.remove(metadata_of(record["pod"])["uid"])

    def sweep(self) -> None:
        """Remove the records that have expired or are too many for their namespace, and logs that nobody needs."""
        namespaces = {parse_key(item.key)[1] for item in paged(self._storage, RESOURCE)}
        kept = {uid for namespace in namespaces for uid in self._trim(namespace)}
        if self.archive is None:
            return
        for uid in self.archive.older_than(self._clock().timestamp() - SETTLE_SECONDS):
            if uid not in kept:
                try:
                    self._storage.get_by_uid(uid)  # a pod whose task is gone: `down` keeps its log
                except KeyNotFound:
                    self.archive.remove(uid)

    def _trim(self, namespace: str) -> list[str]:
        """Remove the expired records of a namespace, and the oldest above its limit; return the uids of the rest."""
        found: list[tuple[str, str, StoredObject, JSON]] = []
        for item in self._storage.list(prefix(RESOURCE, namespace)).items:
            record = item.object()
            found.append((record.get("deletionTime", ""), item.key, item, record))
        found.sort(key=lambda each: each[:2], reverse=True)
        kept = []
        for number, (_, _, item, record) in enumerate(found):
            if number < self._limits.per_namespace and not self._has_expired(record):
                kept.append(metadata_of(record["pod"])["uid"])
                continue
            with suppress(KeyNotFound, RevisionConflict):  # removed by another process
                self._storage.delete(item.key, expected_revision=item.revision)
            self.forget(record)
        return kept

    def _has_expired(self, record: JSON) -> bool:
        ended = finished_at(record["pod"]) or find_time(record.get("deletionTime"))
        return ended is None or self._clock() >= after(ended, self._limits.keep_seconds)
