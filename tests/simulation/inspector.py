"""What must hold all the while: no pod says what is not so, and no task goes on for long that no pod stands for.

The truth is the provider's own memory, whatever it shows and reports.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta

from chalicelib.apimachinery.accessors import is_terminal, labels_of, owners_of, phase_of, status_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.budget import max_usd
from chalicelib.controllers.podmodel.parked import is_parked, is_warm
from chalicelib.controllers.podmodel.record import handle_of, is_lost
from chalicelib.providers.base import TaskState
from chalicelib.storage.base import Storage
from tests.simulation.tasks import LivingTasks
from tests.simulation.timeline import Violation
from tests.simulation.weather import USD_PER_VCPU_HOUR, Sky

PODS = "/registry/pods/"
# Without any fault: a young task is no orphan for 120 s, is looked for every 60 s, twice, and has 30 s to end.
ORPHAN_SECONDS = 420
STALE_SECONDS = 120  # without any fault: two resyncs and what they bring about
LATE_SECONDS = 70  # without any fault: what a sweep ends at once, and the 20 s of a task
RANKS = {"Pending": 0, "Running": 1, "Succeeded": 2, "Failed": 2}


class Inspector:
    """Sees each write to a pod, and looks at all tasks now and then. Raises Violation."""

    def __init__(self, sky: Sky, tasks: LivingTasks, storage: Storage) -> None:
        self.counts: Counter[str] = Counter()
        self._sky, self._tasks, self._storage = sky, tasks, storage
        self._seen = storage.revision()
        self._last: dict[str, JSON] = {}  # by uid: each pod as it was written last
        self._bad_since: dict[str, datetime] = {}

    def look(self) -> None:
        """Judge what has been written to pods since the last look."""
        if self._storage.revision() == self._seen:
            return
        batch = self._storage.events_after(PODS, self._seen)
        self._seen = batch.revision
        for event in batch.events:
            if event.type != "DELETED":
                self._judge(json.loads(event.json))

    def _judge(self, pod: JSON) -> None:
        metadata, phase, handle = pod["metadata"], str(phase_of(pod)), handle_of(pod)
        name, task = metadata["name"], self._tasks.last.get(handle)
        before = self._last.get(metadata["uid"])
        self._last[metadata["uid"]] = pod
        if before is not None and phase != phase_of(before):
            self._sky.timeline.note(f"pod {name} is {phase}")
            self.counts[phase] += 1
            if RANKS[phase] <= RANKS[str(phase_of(before))] and handle == handle_of(before):
                raise Violation(f"pod {name} has gone from {phase_of(before)} to {phase}")
        if handle and task is None:
            raise Violation(f"pod {name} has a task that never was: {handle}")
        if task is not None and not is_true(pod, task):
            raise Violation(f"pod {name} is {phase} ({status_of(pod).get('reason')}), and its task is {task.phase}")

    def look_at_tasks(self) -> None:
        """Judge which tasks go on by themselves, and which pods tell of what has long been over."""
        now, stored = self._sky.timeline.clock.now, self._storage.list(PODS).items
        pods = [each.object() for each in stored]
        running = [pod for pod in pods if not is_terminal(pod)]
        owned = {handle_of(pod) or pod["metadata"]["uid"] for pod in running}
        bad = {}
        for task in self._tasks.living():
            if task.handle not in owned and task.uid not in owned:
                bad[task.handle] = (ORPHAN_SECONDS, f"no pod stands for task {task.handle}, which is {task.phase}")
        for pod in running:
            known = self._tasks.last.get(handle_of(pod))
            if known is not None and known.phase == "stopped":
                name = pod["metadata"]["name"]
                bad[name] = (STALE_SECONDS, f"pod {name} is {phase_of(pod)}, and its task has ended")
        bad |= self._left_waiting(pods) | self._over_budget(pods)
        self._bad_since = {key: self._bad_since.get(key, now) for key in bad}
        for key, (seconds, words) in bad.items():
            if now - max(self._bad_since[key], self._sky.last_fault) > timedelta(seconds=seconds):
                raise Violation(f"{words} since {self._bad_since[key]:%H:%M:%S}, with no fault for {seconds} s")
        self._no_task_twice()

    @staticmethod
    def _left_waiting(pods: list[JSON]) -> dict[str, tuple[int, str]]:
        """Return the parked pods whose driver asks for no executor any more."""
        over = {pod["metadata"]["uid"] for pod in pods if is_terminal(pod)}
        return {
            f"parked {pod['metadata']['name']}": (LATE_SECONDS, f"{pod['metadata']['name']} waits for an ended driver")
            for pod in pods
            if is_parked(pod) and not is_warm(pod) and over.intersection(each["uid"] for each in owners_of(pod))
        }

    def _over_budget(self, pods: list[JSON]) -> dict[str, tuple[int, str]]:
        """Return the applications that go on though they have spent their budget, by their tasks."""
        bad = {}
        for pod in pods:
            application, most = str(labels_of(pod).get("spark-app-selector")), max_usd(pod)
            if most is None or labels_of(pod).get("spark-role") != "driver" or is_warm(pod):
                continue
            tasks = self._tasks.of_application(application)
            usd = sum(map(self._tasks.lived_seconds, tasks)) * USD_PER_VCPU_HOUR / 3600
            if usd > most and any(each.phase != "stopped" for each in tasks):
                bad[f"budget {application}"] = (LATE_SECONDS, f"{application} has cost {usd:.2f} of {most:.2f}")
        return bad

    def _no_task_twice(self) -> None:
        twice = [uid for uid, count in Counter(each.uid for each in self._tasks.living()).items() if count > 1]
        if twice:
            raise Violation(f"two tasks run for {twice[0]}")


def is_true(pod: JSON, task: TaskState) -> bool:
    """Return whether what a pod says of its task is, or was, so."""
    phase, has_ended = phase_of(pod), task.phase == "stopped"
    codes = [each.exit_code for each in task.containers]
    if phase == "Running":
        return any(each.started_at or each.exit_code is not None for each in task.containers)
    if phase == "Succeeded":
        return has_ended and set(codes) == {0}
    return phase != "Failed" or not is_lost(pod) or has_ended
