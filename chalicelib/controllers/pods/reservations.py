"""Reservations: the parked pods that a driver gets as it starts, decision 49. ParkedTasks binds and gives them back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.apimachinery.accessors import annotations_of, is_deleting, is_terminal
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel import parked
from chalicelib.controllers.podmodel.references import References
from chalicelib.controllers.runtime.recorder import News, Recorder
from chalicelib.controllers.translation.executor_plan import executor_plan
from chalicelib.controllers.translation.task import Node
from chalicelib.providers.base import TaskRejected
from chalicelib.resources.pods.marks import PARKED
from chalicelib.storage.base import KeyNotFound, Storage, guaranteed_update
from chalicelib.storage.keys import object_key

LOG = logging.getLogger(__name__)

MOST = 50  # of one driver: what ECS starts within three seconds, before the driver itself runs
# Of a parked pod in a namespace: as a client's, and marked as what only we make. Raises StatusError.
CreatePod = Callable[[str, JSON], object]


@dataclass(frozen=True, slots=True)
class ParkingTerms:
    """How long a task waits, 0 for none at all; whether drivers without the annotation have theirs started."""

    seconds: int
    by_default: bool


class Reservations:
    """Makes them. Safe from many threads."""

    def __init__(
        self, *, storage: Storage, node: Node, create: CreatePod, recorder: Recorder, terms: ParkingTerms
    ) -> None:
        self._storage = storage
        self._node = node
        self._create = create
        self._recorder = recorder
        self._terms = terms

    def reserve(self, driver: JSON) -> None:
        """Park what a driver will ask for, once, as its task has been asked for. Raises StorageError."""
        if not self._terms.seconds or not parked.wants_parking(driver, by_default=self._terms.by_default):
            return
        references = References(driver, self._node.lookup.now())
        try:
            plan = executor_plan(driver, lambda name: references.data("configmaps", name))
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError, TaskRejected) as error:
            LOG.info("executors not foretold uid=%s error=%r", driver["metadata"]["uid"], error)
            return
        count = min(plan.count, MOST) if plan else 0
        if plan is None or count < 1 or not self._mark(driver, count, before=None):
            return
        made = 0
        try:
            for number in range(1, count + 1):
                pod = parked.parked_pod(plan.pod, driver, number, seconds=self._terms.seconds)
                self._create(driver["metadata"]["namespace"], pod)
                made += 1
        except StatusError as error:  # a quota, most of all: the executors will ask for themselves
            self._recorder.record(driver, [News("Normal", "NotParked", f"{count - made} of {count}: {error.message}")])
            self._mark(driver, made, before=str(count))
        if made:
            words = f"started {made} executors' tasks with the driver: they wait {self._terms.seconds} s for it"
            self._recorder.record(driver, [News("Normal", "Parked", words)])

    def _mark(self, driver: JSON, count: int, *, before: str | None) -> bool:
        """Write into a driver how many tasks are parked for it, where that says `before`; False otherwise.

        And if it is gone or over.
        """
        metadata, is_due = driver["metadata"], False

        def change(pod: JSON) -> JSON | None:
            nonlocal is_due
            annotations = annotations_of(pod)
            is_same = pod["metadata"]["uid"] == metadata["uid"] and not is_deleting(pod) and not is_terminal(pod)
            is_due = is_same and annotations.get(PARKED) == before
            if not is_due:
                return None
            return {**pod, "metadata": {**pod["metadata"], "annotations": {**annotations, PARKED: str(count)}}}

        try:
            guaranteed_update(self._storage, object_key("pods", metadata["namespace"], metadata["name"]), change)
        except KeyNotFound:
            return False
        return is_due
