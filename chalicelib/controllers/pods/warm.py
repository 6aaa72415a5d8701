"""Warm tasks: parked tasks that wait for the next job of their user's in their namespace; a new pod claims one.

A claim is written into the warm pod before the new one is stored. What is claimed is bound as a parked task is, also to
a parked pod of a driver's, whose executor gets it after that. A claim whose pod never came is taken
back by the sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from chalicelib.apimachinery.accessors import annotations_of, is_deleting, is_terminal, labels_of, owners_of, spec_of
from chalicelib.apimachinery.rules.status import forbidden
from chalicelib.apimachinery.rules.time import after, find_time, format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel import parked
from chalicelib.controllers.podmodel.record import handle_of
from chalicelib.controllers.podmodel.status import deadline
from chalicelib.controllers.translation.spark_admission import driver_container
from chalicelib.controllers.translation.task import Node, draft
from chalicelib.providers.base import TaskRejected
from chalicelib.providers.extensions import BindsLate
from chalicelib.resources.pods.marks import (
    ANY_ZONE,
    BOUND_TASK,
    CLAIMED_AT,
    HOME_ZONE,
    KEEP_WARM,
    PARK,
    PARKED_POD,
    TAKES_WARM,
    WAITS_FOR,
    WARM,
    WARM_USER,
    ZONE,
    parse_warm,
)
from chalicelib.storage.base import KeyNotFound, Storage
from chalicelib.storage.keys import object_key, prefix
from chalicelib.storage.updates import guaranteed_update

NAMES = "warm-"  # how the names of warm pods begin: a new pod has to find them among thousands
PAGE = 50  # pods that are read at once from there on, others' too
LEAST_SECONDS = 60.0  # that one must have left: a driver that starts cold takes as long to ask for its executors
CLAIM_SECONDS = 120.0  # from a claim to its pod at most: a create takes no longer


class WarmTasks:
    """Lets new pods claim them. Safe from many threads. Methods raise StorageError."""

    def __init__(
        self, *, storage: Storage, provider: BindsLate | None, node: Node, clock: Callable[[], datetime]
    ) -> None:
        self._storage = storage
        self._provider = provider
        self._node = node
        self._clock = clock

    @property
    def is_offered(self) -> bool:
        """Return whether there can be any."""
        return self._provider is not None

    def admit(self, pod: JSON) -> list[str]:
        """Give, in place, a new warm pod its end; return Warnings. Raises 403 where it cannot be one."""
        wishes = annotations_of(pod)
        why = f"provider {self._node.name} starts tasks for pods that are there, and keeps none warm"
        if WARM not in wishes:
            unmet = (
                [] if self._provider else [each for each in (KEEP_WARM, PARK) if wishes.get(each, "false") != "false"]
            )
            return [f"metadata.annotations[{each}]: {why}" for each in unmet]
        if self._provider is not None:
            why = f"{WARM} is for a driver of Spark whose name begins with {NAMES}"
            if driver_container(pod) is not None and pod["metadata"].get("name", "").startswith(NAMES):
                with suppress(ValueError):  # validation comes next, and has the words for it
                    pod["spec"]["activeDeadlineSeconds"] = parse_warm(wishes[WARM])
                return []
        raise forbidden("pods", pod["metadata"].get("name", ""), why)

    def claim(self, pod: JSON, *, user: str) -> bool:
        """Mark, in place, a new pod of a user's as a warm one, or as the one that a warm task waits for.

        Returns whether it has claimed one. Raises 403 for a warm pod that a controller makes: it would be nobody's.
        """
        marks = pod["metadata"].setdefault("annotations", {})
        if WARM in marks and WAITS_FOR not in marks:
            if not user or any(each.get("controller") for each in owners_of(pod)):
                why = f"{WARM} is for a driver that a user creates: nobody could take the tasks of a workload's"
                raise forbidden("pods", pod["metadata"]["name"], why)
            marks |= {WAITS_FOR: "", WARM_USER: user}
        role, is_one = labels_of(pod).get(parked.ROLE_LABEL), WARM in marks or WARM_USER in marks
        if is_one or self._provider is None or spec_of(pod).get("schedulingGates"):
            return False
        if role != "driver" and (TAKES_WARM not in marks or PARKED_POD in marks):
            return False
        taker = user if role == "driver" else marks[TAKES_WARM]
        waiting = list(self._warm_of(taker, pod["metadata"]["namespace"])) if taker else []
        if role == "driver" and user and (waiting or KEEP_WARM in marks):
            marks[TAKES_WARM] = user
        return any(self._take(each, pod) for each in self._fitting(waiting, pod))

    def why_cold(self, driver: JSON) -> str:
        """Return why a driver that starts cold has no warm driver's task of its user's, "" where none waits."""
        marks, about = annotations_of(driver), driver["metadata"]
        if TAKES_WARM not in marks or BOUND_TASK in marks or WARM_USER in marks:
            return ""
        waiting = [
            each
            for each in self._warm_of(marks[TAKES_WARM], about["namespace"])
            if labels_of(each).get(parked.ROLE_LABEL) == "driver"
            and not (annotations_of(each)[WAITS_FOR] or is_deleting(each) or is_terminal(each))
        ]
        if not waiting:
            return ""
        first, shape = waiting[0]["metadata"]["name"], self._shape(driver)
        account = spec_of(driver).get("serviceAccountName")
        same = [each for each in waiting if spec_of(each).get("serviceAccountName") == account]
        if not same:
            return f"starts cold: {first} waits under another service account"
        if all(self._shape(each) != shape for each in same):
            return f"starts cold: {first} is of another shape: image, CPU, memory, mounts or what else its task fixes"
        return f"starts cold: {first} was not there yet, or about to end"

    def _warm_of(self, user: str, namespace: str) -> Iterator[JSON]:
        """Yield a user's warm pods of a namespace."""
        first = object_key("pods", namespace, NAMES)
        next_key: str | None = first
        while next_key and next_key.startswith(first):
            page = self._storage.list(prefix("pods", namespace), start_key=next_key, limit=PAGE)
            found = [each.object() for each in page.items if each.key.startswith(first) and WARM_USER in each.json]
            yield from (each for each in found if parked.is_warm(each) and annotations_of(each)[WARM_USER] == user)
            next_key = page.next_key

    def _fitting(self, waiting: list[JSON], pod: JSON) -> Iterator[JSON]:
        """Yield the warm pods that a new pod may have, those it has claimed before and those that end first."""
        marks, name, now = annotations_of(pod), pod["metadata"]["name"], self._clock()
        home = marks.get(HOME_ZONE, ANY_ZONE)
        able = [
            each
            for each in waiting
            if annotations_of(each)[WAITS_FOR] in ("", name)
            and home in (ANY_ZONE, annotations_of(each).get(ZONE, home))
            and spec_of(each).get("serviceAccountName") == spec_of(pod).get("serviceAccountName")
            and handle_of(each)
            and parked.seconds_left(deadline(each), now) >= LEAST_SECONDS
        ]
        shape = self._shape(pod) if able else ""
        for each in sorted(able, key=lambda each: (annotations_of(each)[WAITS_FOR] != name, str(deadline(each)))):
            if shape and self._shape(each) == shape:
                yield each

    def _shape(self, pod: JSON) -> str:
        # a driver's ConfigMap comes after it
        known = {**pod, "spec": parked.with_optional_volumes(spec_of(pod))}
        task = draft(known, replace(self._node, lookup=self._node.lookup.now()))
        with suppress(TaskRejected):
            return self._provider.shape(task) if task and self._provider else ""
        return ""

    def _take(self, waiting: JSON, pod: JSON) -> bool:
        name = pod["metadata"]["name"]
        if not self._write_claim(waiting, before=("", name), claimer=name):
            return False
        pod["metadata"]["annotations"][PARKED_POD] = waiting["metadata"]["name"]
        return True

    def left_by(self, driver: JSON) -> list[JSON]:
        """Return what has come with a warm driver that somebody has deleted; another one may have its name by now."""
        found = []
        for name in parked.left_by(driver):
            with suppress(KeyNotFound):
                found.append(self._storage.get(object_key("pods", driver["metadata"]["namespace"], name)).object())
        wanted = labels_of(driver).get(parked.SELECTOR)
        same = (each for each in found if labels_of(each).get(parked.SELECTOR) == wanted and parked.is_warm(each))
        return [each for each in same if not annotations_of(each)[WAITS_FOR]]

    def release(self, pod: JSON) -> None:
        """Take back the claim of a pod that does not get its warm task; one of its name may have it. Repeatable."""
        if not (place := parked.name_of_parked(pod)) or BOUND_TASK in annotations_of(pod):
            return
        with suppress(KeyNotFound):
            waiting = self._storage.get(object_key("pods", pod["metadata"]["namespace"], place)).object()
            self._release_unless_held(waiting, pod["metadata"]["name"])

    def heal(self, waiting: JSON) -> None:
        """Take back the claim of a warm pod that is of no stored pod, where it is not of this moment. Repeatable."""
        marks = annotations_of(waiting)
        claimed_at = find_time(marks.get(CLAIMED_AT))
        if marks[WAITS_FOR] and (claimed_at is None or self._clock() >= after(claimed_at, CLAIM_SECONDS)):
            self._release_unless_held(waiting, marks[WAITS_FOR])

    def _release_unless_held(self, waiting: JSON, name: str) -> None:
        about = waiting["metadata"]
        with suppress(KeyNotFound):
            holder = self._storage.get(object_key("pods", about["namespace"], name)).object()
            is_bound = BOUND_TASK in annotations_of(holder)  # to one that had this name before
            if parked.name_of_parked(holder) == about["name"] and not is_bound and not is_terminal(holder):
                return
        self._write_claim(waiting, before=(name,), claimer="")

    def _write_claim(self, waiting: JSON, *, before: tuple[str, ...], claimer: str) -> bool:
        """Write whom a warm pod waits for, where that is one of `before`; False otherwise, and if it is gone."""
        metadata, is_done = waiting["metadata"], False

        def change(found: JSON) -> JSON | None:
            nonlocal is_done
            marks = annotations_of(found)
            is_done = parked.is_warm(found) and marks[WAITS_FOR] in before
            if not is_done or is_deleting(found) or is_terminal(found):
                is_done = False
                return None
            written = {**marks, WAITS_FOR: claimer, CLAIMED_AT: format_time(self._clock())}
            return {**found, "metadata": {**found["metadata"], "annotations": written}}

        try:
            guaranteed_update(self._storage, object_key("pods", metadata["namespace"], metadata["name"]), change)
        except KeyNotFound:
            return False
        return is_done
