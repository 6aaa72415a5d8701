"""Usage records: what pods used that are no longer stored, kept as long as the pod that heads them.

Before a pod is taken out of the store its record is written, under the pod's own uid: written twice it is the same
record, and while the pod is still stored its record does not count. So each pod counts once, whatever crashes when.
The sum stands in an annotation of the family's head for clients to read; the records themselves decide.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime
from functools import partial

from chalicelib.apimachinery.accessors import annotations_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.family import heads_of, members_of
from chalicelib.controllers.podmodel.gone_pods import GonePods, gone_text
from chalicelib.controllers.podmodel.usage import NOTHING, Usage, has_handed_over, pod_usage, running_seconds
from chalicelib.controllers.runtime.background import Later
from chalicelib.providers.prices import Rates
from chalicelib.providers.registry import reference_prices
from chalicelib.resources.pods.marks import USED_BY_GONE
from chalicelib.storage.base import KeyExists, KeyNotFound, RevisionConflict, Storage, StoredObject
from chalicelib.storage.keys import object_key, parse_key, prefix
from chalicelib.storage.updates import guaranteed_update

RECORDS = "sparkanywhere-usage"  # by the head's uid, then the pod's
FOLD_SECONDS = 1.0  # executors go by the dozen: one sum for all of them
FOLDED_AT_ONCE = 100  # families a sweep, those with the latest news first: each takes a few reads


class UsageRecords:
    """Records in a Storage. Safe to call from many threads, and to repeat.

    With `folds` False (where no thread lives on after a request) sums are written by sweep() alone.
    """

    def __init__(
        self, *, storage: Storage, rates: Rates, clock: Callable[[], datetime], later: Later, folds: bool = True
    ) -> None:
        self._storage = storage
        self._rates = rates
        self._clock = clock
        self._later = later
        self._folds = folds
        self._due: set[str] = set()  # uids of heads whose sum is about to be written
        self._folded: dict[str, int] = {}  # by head's uid: the latest record that its sum holds

    def before_delete(self, pod: JSON) -> None:
        """Record what a pod has used; called before it is taken out of the store. Raises StorageError."""
        heads = heads_of(self._storage, pod)
        if has_handed_over(pod):  # what was recorded for a removal that did not come about is another pod's now
            for head in heads:
                with suppress(KeyNotFound):
                    key = object_key(RECORDS, head["metadata"]["uid"], pod["metadata"]["uid"])
                    self._drop(self._storage.get(key))
        if running_seconds(pod, self._clock()) is None:
            return
        now, metadata = self._clock(), pod["metadata"]
        used = pod_usage(pod, self._rates, now)
        figures = {
            "pod": metadata["name"],
            "vcpuSeconds": used.vcpu_seconds,
            "gibSeconds": used.gib_seconds,
            "usd": used.usd,
            "usdOnFargate": pod_usage(pod, reference_prices().rates, now).usd,
        }
        for head_uid in [head["metadata"]["uid"] for head in heads]:
            key = object_key(RECORDS, head_uid, metadata["uid"])
            named = {"name": metadata["uid"], "uid": f"usage-{head_uid}-{metadata['uid']}"}
            try:
                self._storage.create(key, {"metadata": named, **figures})
            except KeyExists:  # an earlier removal did not come about: what is so now counts
                guaranteed_update(
                    self._storage, key, lambda old: None if old.items() >= figures.items() else {**old, **figures}
                )

    def after_delete(self, pod: JSON) -> None:
        """Schedule what follows the removal of a pod: writing its family's sum, or dropping its records."""
        heads = [head["metadata"]["uid"] for head in heads_of(self._storage, pod)]
        if not heads:
            self._later(partial(self.drop, pod["metadata"]["uid"]))
        for uid in heads if self._folds else ():
            if uid not in self._due:
                self._due.add(uid)
                self._later(partial(self._fold_due, uid), delay_seconds=FOLD_SECONDS)

    def _fold_due(self, uid: str) -> None:
        self._due.discard(uid)
        self.fold(uid)

    def of(self, head_uid: str, *, stored: Collection[str] = ()) -> GonePods:
        """Return what the pods of a family used, but for those whose uids are `stored`."""
        pods, used, on_fargate = 0, NOTHING, 0.0
        for item in self._storage.list(prefix(RECORDS, head_uid)).items:
            if parse_key(item.key)[2] in stored:
                continue
            record = item.object()
            pods += 1
            used += Usage(record["vcpuSeconds"], record["gibSeconds"], record["usd"])
            on_fargate += record["usdOnFargate"]
        return GonePods(pods, used, on_fargate)

    def fold(self, head_uid: str) -> bool:
        """Write the sum of a family's records into its head; False if some of them do not count yet."""
        try:
            head = self._storage.get_by_uid(head_uid)
        except KeyNotFound:
            self.drop(head_uid)
            return True
        stored = {pod["metadata"]["uid"] for pod in members_of(self._storage, head_uid, parse_key(head.key)[1])}
        gone = self.of(head_uid, stored=stored)
        text = gone_text(gone)

        def change(pod: JSON) -> JSON | None:
            annotations = annotations_of(pod)
            if pod["metadata"]["uid"] != head_uid or annotations.get(USED_BY_GONE, "") == text:
                return None
            return {**pod, "metadata": {**pod["metadata"], "annotations": {**annotations, USED_BY_GONE: text}}}

        try:
            guaranteed_update(self._storage, head.key, change)
        except KeyNotFound:
            self.drop(head_uid)
        return gone.pods == self.of(head_uid).pods

    def drop(self, head_uid: str) -> None:
        """Remove the records of a family whose head is gone."""
        for item in self._storage.list(prefix(RECORDS, head_uid)).items:
            self._drop(item)

    def _drop(self, record: StoredObject) -> None:
        with suppress(KeyNotFound, RevisionConflict):  # just written by another process: left to the next sweep
            self._storage.delete(record.key, expected_revision=record.revision)

    def sweep(self) -> None:
        """Write the sums of families with news, and remove the records of those that are gone."""
        latest: dict[str, int] = {}
        for item in self._storage.list(prefix(RECORDS)).items:
            head_uid = parse_key(item.key)[1]
            latest[head_uid] = max(item.revision, latest.get(head_uid, 0))
        self._folded = {uid: revision for uid, revision in self._folded.items() if uid in latest}
        news = [uid for uid, revision in latest.items() if self._folded.get(uid) != revision]
        for uid in sorted(news, key=lambda uid: latest[uid], reverse=True)[:FOLDED_AT_ONCE]:
            if self.fold(uid):
                self._folded[uid] = latest[uid]
