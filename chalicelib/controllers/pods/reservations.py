"""Reservations: the parked pods that a driver gets as it starts, and the warm one that it leaves, decisions 49 and 52.

ParkedTasks binds and gives them back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from chalicelib.apimachinery.accessors import annotations_of, is_deleting, is_terminal, labels_of
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.rules.time import after
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel import parked
from chalicelib.controllers.podmodel.index import Ending
from chalicelib.controllers.podmodel.references import References
from chalicelib.controllers.runtime.recorder import News, Recorder
from chalicelib.controllers.translation.executor_plan import executor_plan
from chalicelib.controllers.translation.task import Node
from chalicelib.providers.base import TaskRejected
from chalicelib.resources.pods.marks import (
    BEGUN,
    HOME_ZONE,
    KEEP_WARM,
    KEPT_WARM,
    MOST_PARKED,
    PARKED,
    TAKES_WARM,
    WAITS_FOR,
    WARM_USER,
    ZONE,
    parse_warm,
)
from chalicelib.storage.base import KeyNotFound, Storage
from chalicelib.storage.keys import object_key
from chalicelib.storage.updates import guaranteed_update

LOG = logging.getLogger(__name__)

LATE_SECONDS = 60.0  # after a driver's end: whoever keeps tasks warm for it has done so, or is no more
# Of a parked pod in a namespace: as a client's, with marks that only we make. Raises StatusError.
CreatePod = Callable[[str, JSON, Mapping[str, str]], object]


@dataclass(frozen=True, slots=True)
class ParkingTerms:
    """How long a task waits, 0 for none at all; whether drivers without the annotation have theirs started."""

    seconds: int
    by_default: bool


def is_kept_late(driver: Ending, now: datetime) -> bool:
    """Return whether what an ended driver is to keep warm is not there by now, and is of use for some time yet."""
    if driver.keep_warm and driver.at is not None:
        with suppress(ValueError):  # stored when another span was allowed
            return after(driver.at, LATE_SECONDS) <= now < after(driver.at, parse_warm(driver.keep_warm))
    return False


class Reservations:
    """Makes them. Safe from many threads."""

    def __init__(
        self,
        *,
        storage: Storage,
        node: Node,
        create: CreatePod,
        recorder: Recorder,
        terms: ParkingTerms,
        why_cold: Callable[[JSON], str],
    ) -> None:
        self._storage = storage
        self._node = node
        self._create = create
        self._recorder = recorder
        self._terms = terms
        self._why_cold = why_cold

    def reserve(self, driver: JSON) -> None:
        """Park what a driver will ask for, once, as its task has been asked for. Raises StorageError."""
        if why := self._why_cold(driver):
            self._recorder.record(driver, [News("Normal", "NotWarm", why)])
        seconds, marks = self._terms.seconds, {WAITS_FOR: ""}
        if parked.is_warm(driver):
            seconds, found = int(driver["spec"]["activeDeadlineSeconds"]), annotations_of(driver)
            marks |= {WARM_USER: found[WARM_USER], **({HOME_ZONE: found[ZONE]} if ZONE in found else {})}
            if labels_of(driver).get(parked.ROLE_LABEL) != "driver":
                return
        elif not seconds or not parked.wants_parking(driver, by_default=self._terms.by_default):
            return
        references = References(driver, self._node.lookup.now())
        try:
            plan = executor_plan(driver, lambda name: references.data("configmaps", name))
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError, TaskRejected) as error:
            LOG.info("executors not foretold uid=%s error=%r", driver["metadata"]["uid"], error)
            return
        count = min(plan.count, MOST_PARKED) if plan else 0
        if plan is None or count < 1 or not self._mark(driver, PARKED, str(count), before=None):
            return
        made = 0
        try:
            for number in range(1, count + 1):
                pod = parked.parked_pod(plan.pod, driver, number, seconds=seconds)
                self._create(driver["metadata"]["namespace"], pod, marks)
                made += 1
        except StatusError as error:  # a quota, most of all: the executors will ask for themselves
            self._recorder.record(driver, [News("Normal", "NotParked", f"{count - made} of {count}: {error.message}")])
            self._mark(driver, PARKED, str(made), before=str(count))
        if made:
            words = f"started {made} executors' tasks with the driver: they wait {seconds} s"
            self._recorder.record(driver, [News("Normal", "Parked", words)])

    def keep_warm(self, driver: JSON, *, is_again: bool = False) -> None:
        """Have tasks of an ended driver's shape, and its executors', wait for the next job, once. Raises StorageError.

        They are the ended driver's: counted in its cost and budget, and gone with it. `is_again` where it may have been
        begun, by a process that is no more.
        """
        marks = annotations_of(driver)
        if not parked.is_to_keep_warm(driver) or (marks.get(KEPT_WARM) and not is_again):
            return
        if KEPT_WARM not in marks and not self._mark(driver, KEPT_WARM, BEGUN, before=None, is_over=True):
            return
        try:
            pod = parked.warm_pod(driver, span=marks[KEEP_WARM])
            self._create(driver["metadata"]["namespace"], pod, {WAITS_FOR: "", WARM_USER: marks[TAKES_WARM]})
        except StatusError as error:  # a quota or a spent budget
            if error.reason != "AlreadyExists":
                self._recorder.record(driver, [News("Normal", "NotParked", f"nothing is kept warm: {error.message}")])
        self._mark(driver, KEPT_WARM, "true", before=BEGUN, is_over=True)

    def _mark(self, driver: JSON, key: str, text: str, *, before: str | None, is_over: bool = False) -> bool:
        """Write an annotation of ours into a driver, where that says `before`; False otherwise.

        And if it is gone or to go, or has ended, or has not if it is to be over.
        """
        metadata, is_due = driver["metadata"], False

        def change(pod: JSON) -> JSON | None:
            nonlocal is_due
            annotations = annotations_of(pod)
            is_same = pod["metadata"]["uid"] == metadata["uid"] and not is_deleting(pod) and is_terminal(pod) == is_over
            is_due = is_same and annotations.get(key) == before
            if not is_due:
                return None
            return {**pod, "metadata": {**pod["metadata"], "annotations": {**annotations, key: text}}}

        try:
            guaranteed_update(self._storage, object_key("pods", metadata["namespace"], metadata["name"]), change)
        except KeyNotFound:
            return False
        return is_due
