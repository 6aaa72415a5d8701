"""Jobs: pods run until enough of them have succeeded, or too many have failed. Pure.

Compare kubernetes/pkg/controller/job/job_controller.go, v1.36. Not honoured: podFailurePolicy, successPolicy,
backoffLimitPerIndex. Counts never go down, so finished pods may be removed.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from chalicelib.apimachinery.accessors import annotations_of, is_deleting, is_terminal, phase_of, status_of
from chalicelib.apimachinery.rules.integers import parse_int64
from chalicelib.apimachinery.rules.time import after, find_time, format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.budget import BUDGET_REASON
from chalicelib.controllers.runtime.objects import with_condition
from chalicelib.controllers.runtime.recorder import News
from chalicelib.controllers.workloads.plan import (
    WorkloadPlan,
    ends_of,
    fresh_names,
    is_active,
    is_ready,
    names_of,
    owned_by,
    pause_seconds,
    pod_from,
    short_hash,
    without_zeros,
)
from chalicelib.resources.workloads.jobs import final_condition

INDEX = "batch.kubernetes.io/job-completion-index"
DEFAULT_RETRIES = 6
MAX_INDEX = 100_000  # of an indexed Job, as on a real server


def plan(job: JSON, pods: list[JSON], now: datetime, ends: Collection[datetime]) -> WorkloadPlan:
    """Return what a Job needs now; its own status counts what has failed, so `ends` of pods are not looked at."""
    del ends
    status = dict(status_of(job))
    finished = final_condition(job)
    if finished is None:
        return _Progress(job, pods, status, now).plan()
    status["terminating"] = sum(is_deleting(pod) for pod in pods)
    result = WorkloadPlan(status)
    ttl, ended = job["spec"].get("ttlSecondsAfterFinished"), find_time(finished.get("lastTransitionTime"))
    if ttl is not None and ended is not None:
        left = (after(ended, ttl) - now).total_seconds()
        result.removes_owner = left <= 0
        result.due_seconds = max(left, 0.0)
    return result


class _Progress:
    """One look at a Job that has not ended."""

    def __init__(self, job: JSON, pods: list[JSON], status: JSON, now: datetime) -> None:
        self._job, self._pods, self._now = job, pods, now
        self._spec = job["spec"]
        self._status = status
        self._active = [pod for pod in pods if is_active(pod)]
        self._parallelism = self._spec.get("parallelism", 1)
        self._completions: int | None = self._spec.get("completions")
        self._is_indexed = self._spec.get("completionMode") == "Indexed"
        done = [pod for pod in pods if phase_of(pod) == "Succeeded"]
        self._indexes = parse_indexes(status.get("completedIndexes", "")) | {_index(pod) for pod in done}
        succeeded = len(self._indexes) if self._is_indexed else len(done)
        self._succeeded = max(status.get("succeeded") or 0, succeeded)
        self._broken = [pod for pod in pods if phase_of(pod) == "Failed"]
        self._failed = max(status.get("failed") or 0, len(self._broken))

    def plan(self) -> WorkloadPlan:
        """Return what to do."""
        if self._spec.get("suspend"):
            self._status.pop("startTime", None)
            self._set("Suspended", "True", "JobSuspended", "Job suspended")
            result = self._result(active=0)
            result.delete = self._active
            return result
        if not self._status.get("startTime"):
            self._status["startTime"] = format_time(self._now)
            if any(each["type"] == "Suspended" for each in self._status.get("conditions") or ()):
                self._set("Suspended", "False", "JobResumed", "Job resumed")
        problem = self._problem()
        if problem:
            return self._end("FailureTarget", "Failed", *problem)
        if self._completions is None:
            is_done = self._succeeded > 0 and not self._active
        else:
            is_done = self._succeeded >= self._completions
        if is_done:
            why = "Reached expected number of succeeded pods"
            return self._end("SuccessCriteriaMet", "Complete", "CompletionsReached", why)
        return self._go_on()

    def _problem(self) -> tuple[str, str] | None:
        deadline = self._deadline()
        if deadline is not None and deadline <= self._now:
            return "DeadlineExceeded", "Job was active longer than specified deadline"
        spent = [pod["status"] for pod in self._broken if pod["status"].get("reason") == BUDGET_REASON]
        if spent:  # another attempt would only spend more
            return BUDGET_REASON, str(spent[0].get("message", ""))
        failures = self._failed
        if self._spec["template"]["spec"].get("restartPolicy") == "OnFailure":
            statuses = [each for pod in self._active for each in pod["status"].get("containerStatuses") or ()]
            failures += sum(each.get("restartCount", 0) for each in statuses)
        if failures > self._spec.get("backoffLimit", DEFAULT_RETRIES):
            return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        return None

    def _deadline(self) -> datetime | None:
        seconds = self._spec.get("activeDeadlineSeconds")
        started = find_time(self._status.get("startTime"))
        return None if seconds is None or started is None else after(started, seconds)

    def _end(self, first: str, last: str, reason: str, why: str) -> WorkloadPlan:
        """End: what still runs goes first, then the last condition is set."""
        self._set(first, "True", reason, why)
        leaving = [pod for pod in self._pods if is_deleting(pod) and not is_terminal(pod)]
        events: list[News] = []
        if not self._active and not leaving:
            self._set(last, "True", reason, why)
            if last == "Complete":
                self._status["completionTime"] = format_time(self._now)
            events = [
                News("Normal", "Completed", "Job completed") if last == "Complete" else News("Warning", reason, why)
            ]
        result = self._result(active=0)
        result.delete, result.events = self._active, events
        if self._spec.get("ttlSecondsAfterFinished") is not None:
            result.due_seconds = 0.0
        return result

    def _go_on(self) -> WorkloadPlan:
        missing = self._wanted() - len(self._active)
        pause = 0.0
        if self._broken:
            last = max(ends_of(self._broken).values(), default=self._now)
            pause = pause_seconds(self._failed) - (self._now - last).total_seconds()
        new = self._new_pods(missing) if missing > 0 and pause <= 0 else []
        result = self._result(active=len(self._active) + len(new))
        result.create = [("pods", pod) for pod in new]
        if missing < 0:
            ranked = sorted(self._active, key=lambda pod: (is_ready(pod), pod["metadata"]["name"]))
            result.delete = ranked[:-missing]
            result.status["active"] = self._wanted()
        dues = [pause] if missing > 0 and pause > 0 else []
        deadline = self._deadline()
        if deadline is not None:
            dues.append((deadline - self._now).total_seconds())
        result.due_seconds = min(dues) if dues else None
        return result

    def _wanted(self) -> int:
        if self._completions is None:  # any success ends it: no new pods after the first
            return len(self._active) if self._succeeded else int(self._parallelism)
        return int(min(self._parallelism, self._completions - self._succeeded))

    def _new_pods(self, count: int) -> list[JSON]:
        if self._is_indexed:
            busy = self._indexes | {_index(pod) for pod in self._active}
            free = [each for each in range(self._completions or 0) if each not in busy]
            return [self._indexed_pod(index) for index in free[:count]]
        start = self._succeeded + self._failed
        return [self._pod(name) for name in fresh_names(self._job, count, names_of(self._pods), start=start)]

    def _pod(self, name: str) -> JSON:
        owners = owned_by(self._job, "batch/v1", "Job")
        namespace = self._job["metadata"]["namespace"]
        return pod_from(self._spec["template"], name=name, namespace=namespace, owners=owners)

    def _indexed_pod(self, index: int) -> JSON:
        metadata = self._job["metadata"]
        tries = sum(_index(pod) == index for pod in self._pods)
        base = f"{metadata['name'][:50]}-{index}"
        pod = self._pod(f"{base}-{short_hash(metadata['uid'], index, tries, self._failed)}")
        for key in ("labels", "annotations"):
            pod["metadata"].setdefault(key, {})[INDEX] = str(index)
        pod["spec"].setdefault("hostname", base)
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            env = container.setdefault("env", [])
            if all(each["name"] != "JOB_COMPLETION_INDEX" for each in env):
                source = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.annotations['{INDEX}']"}}
                env.append({"name": "JOB_COMPLETION_INDEX", "valueFrom": source})
        return pod

    def _set(self, kind: str, value: str, reason: str, message: str) -> None:
        wanted = {"type": kind, "status": value, "reason": reason, "message": message}
        known = self._status.get("conditions") or ()
        self._status["conditions"] = with_condition(known, wanted, self._now, "lastProbeTime")

    def _result(self, *, active: int) -> WorkloadPlan:
        counts: JSON = {
            "active": active,
            "ready": sum(is_ready(pod) for pod in self._active) if active else 0,
            "succeeded": self._succeeded,
            "failed": self._failed,
            "terminating": sum(is_deleting(pod) for pod in self._pods),
            "uncountedTerminatedPods": {},
        }
        if self._is_indexed:
            counts["completedIndexes"] = format_indexes(self._indexes)
        status = {**self._status, **counts}
        return WorkloadPlan(without_zeros(status, "ready", "terminating", "uncountedTerminatedPods"))


def _index(pod: JSON) -> int:
    number = parse_int64(annotations_of(pod).get(INDEX, ""))
    return -1 if number is None else number


def parse_indexes(text: str) -> set[int]:
    """Return the indexes of a text like `0-2,5`, which ascend; parts that do not, or go too far, are left out."""
    found: set[int] = set()
    highest = -1
    for part in text.split(","):
        first, _, last = part.partition("-")
        begin, end = parse_int64(first), parse_int64(last or first)
        if begin is not None and end is not None and highest < begin <= end <= MAX_INDEX:
            found |= set(range(begin, end + 1))
            highest = end
    return found


def format_indexes(indexes: set[int]) -> str:
    """Return indexes as a text like `0-2,5`."""
    parts: list[list[int]] = []
    for index in sorted(each for each in indexes if each >= 0):
        if parts and index == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], index]
        else:
            parts.append([index])
    return ",".join(f"{part[0]}-{part[-1]}" if len(part) == 2 else str(part[0]) for part in parts)
