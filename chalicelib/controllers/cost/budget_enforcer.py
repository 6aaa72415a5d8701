"""BudgetEnforcer: ends a pod that has spent its budget, and the pods that it owns.

A chore, so it holds with the client and the driver gone, and repeated until nothing of the family runs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime

from chalicelib.apimachinery.accessors import is_deleting, is_terminal
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.cost.usage_records import UsageRecords
from chalicelib.controllers.podmodel import budget
from chalicelib.controllers.podmodel.family import attempts_of, heads_of, members_of
from chalicelib.controllers.podmodel.index import PodIndex
from chalicelib.controllers.podmodel.usage import NOTHING, usage
from chalicelib.controllers.pods.controller import PodController
from chalicelib.controllers.runtime.objects import DeleteObject
from chalicelib.controllers.runtime.recorder import News, Recorder
from chalicelib.providers.prices import Rates
from chalicelib.resources.pods.marks import MAX_USD
from chalicelib.storage.base import KeyNotFound, Storage, StorageError
from chalicelib.storage.keys import object_key
from chalicelib.storage.updates import guaranteed_update

LOG = logging.getLogger(__name__)


class BudgetEnforcer:
    """Compares what families of pods cost with their budgets. Safe to repeat, and beside other processes."""

    def __init__(
        self,
        *,
        storage: Storage,
        index: PodIndex,
        rates: Rates,
        records: UsageRecords,
        pods: PodController,
        delete: DeleteObject,
        recorder: Recorder,
        clock: Callable[[], datetime],
    ) -> None:
        self._storage = storage
        self._index = index
        self._rates = rates
        self._records = records
        self._pods = pods
        self._delete = delete
        self._recorder = recorder
        self._clock = clock

    def sweep(self) -> None:
        """End every family of pods that has spent its budget."""
        for head in self._heads():
            try:
                self.check(head)
            except (StorageError, StatusError) as error:
                LOG.warning("budget not enforced uid=%s error=%s", head["metadata"]["uid"], error)

    def check(self, head: JSON) -> None:
        """End a pod and what it owns if its budget is spent. Raises StorageError and StatusError."""
        if budget.exceeded(head):
            self._end(head)
            return
        if self._rates.are_free:
            return
        now, uid = self._clock(), head["metadata"]["uid"]
        used, pods = NOTHING, 0
        for each in (head, *attempts_of(self._storage, head)):
            members = self._members(each)
            stored = {pod["metadata"]["uid"] for pod in members}
            gone = self._records.of(each["metadata"]["uid"], stored=stored)
            used += usage([each, *members], self._rates, now) + gone.usage
            pods += 1 + len(members) + gone.pods
        message = budget.excess(head, used, pods)
        if not message:
            return
        marked = self._mark(head, message, now)
        if marked is not None:
            LOG.warning("budget exceeded uid=%s %s", uid, message)
            self._recorder.record(marked, [News("Warning", budget.BUDGET_REASON, message)])
            self._end(marked)

    def _heads(self) -> Iterator[JSON]:
        """Yield the pods with a budget: those that run, and those that have ended before what they own."""
        unfinished = self._index.look().unfinished
        running = {pod.uid for pod in unfinished}
        known, ended = set(running), set[str]()
        for pod in unfinished:
            if MAX_USD in pod.json and budget.max_usd(pod.object()) is not None:
                yield pod.object()
            heads = [] if known.issuperset(pod.owners) else heads_of(self._storage, pod.object())
            known.update(pod.owners)  # so that the pods of one owner cost one look
            for head in heads:
                if head["metadata"]["uid"] not in running | ended:
                    ended.add(head["metadata"]["uid"])
                    if budget.max_usd(head) is not None:
                        yield head

    def _mark(self, head: JSON, message: str, now: datetime) -> JSON | None:
        """Write the mark; return the pod with it, None if the pod is gone or has no budget any more."""
        metadata = head["metadata"]

        def change(pod: JSON) -> JSON | None:
            if pod["metadata"]["uid"] != metadata["uid"]:
                raise KeyNotFound(metadata["uid"])
            return budget.with_mark(pod, message, now) if budget.max_usd(pod) == budget.max_usd(head) else None

        key = object_key("pods", metadata["namespace"], metadata["name"])
        try:
            marked = guaranteed_update(self._storage, key, change).object()
        except KeyNotFound:
            return None
        return marked if budget.exceeded(marked) else None

    def _members(self, head: JSON) -> list[JSON]:
        return members_of(self._storage, head["metadata"]["uid"], head["metadata"]["namespace"])

    def _end(self, head: JSON) -> None:
        """Stop the head, gracefully, and delete what it owns."""
        if not is_terminal(head) and not is_deleting(head):
            self._pods.stop_over_budget(head, budget.exceeded(head))
        for pod in self._members(head):
            if is_terminal(pod) or is_deleting(pod):
                continue
            metadata = pod["metadata"]
            try:
                self._delete("pods", metadata["namespace"], metadata["name"], uid=metadata["uid"])
            except StatusError as error:
                if error.code not in (404, 409):
                    raise
