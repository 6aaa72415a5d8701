"""How long the parts of a pod's start took: by its provider's reports of the task, then by a driver's log. Pure.

    placement | pull | start | JVM | register

`JVM` ends when the program makes its Spark, `register` when all executors that it waits for are there: their own
pods and JVMs are within it. A phase that nobody tells of, or that took no time, is left out. Kubernetes has whole
seconds in its own fields (startTime, startedAt), which say little of a start that takes three.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from chalicelib.apimachinery.accessors import annotations_of, labels_of, spec_of, status_of
from chalicelib.apimachinery.rules.time import find_time
from chalicelib.apimachinery.types import JSON
from chalicelib.providers.base import TaskState
from chalicelib.resources.pods.marks import PARKED, START

PHASES = ("placement", "pull", "start", "JVM", "register")
RUNNING_AT, FASTER = "runningAt", "faster"  # beside the phases: RFC 3339 with milliseconds, and a sentence
EXECUTORS = "executors"  # of a driver, beside them: seconds from its runningAt until each registered, by its number
MOST_EXECUTORS = 20  # that a driver tells of, the first ones
SHORTEST_SECONDS = 0.05  # of a phase that is worth a word: less reads 0.0 s
SLOW_SECONDS = 5.0  # of one that is worth advice
MAX_LINE = 4096  # characters of a line that Spark or java.sh may have written: a longer one is not looked at

_MADE = re.compile(r"\bRunning Spark version ")
_REGISTERED = re.compile(
    r"\bRegistered executor \w{1,99}\(spark-client://Executor\) \(\S{1,300}\) with ID (\d{1,9})\b", re.ASCII
)
_OF_IMAGES = re.compile(r"Image(?:Name|NeverPull|Inspect|Pull)|\bPulling image ")
_NO_ARCHIVE = re.compile(r"^sparkanywhere: this JVM starts without the archive of Spark's classes: (.+)")  # by java.sh


@dataclass(slots=True)
class SparkStart:
    """What a driver's log tells of its start, line by line; times are seconds of one clock."""

    made_at: float | None = None
    registered_at: dict[str, float] = field(default_factory=dict)  # by the executor's number
    slow_because: str = ""  # the JVM

    def observe(self, line: str, at: float) -> bool:
        """Take in a line of the log; return whether it told of an executor."""
        if len(line) > MAX_LINE:
            return False
        if _MADE.search(line):
            self.made_at, self.registered_at = at, {}  # another attempt begins anew
        if found := _NO_ARCHIVE.search(line):
            self.slow_because = found[1]
        if found := _REGISTERED.search(line):
            self.registered_at.setdefault(found[1], at)
        return found is not None

    def seconds(self, ran_at: float, executors: int) -> dict[str, float]:
        """Return the phases that are over, of a driver that ran at a time and waits for so many executors."""
        if self.made_at is None:
            return {}
        seconds = {"JVM": self.made_at - ran_at}
        if len(self.registered_at) >= executors > 0:
            seconds["register"] = sorted(self.registered_at.values())[executors - 1] - self.made_at
        return {name: round(each, 3) for name, each in seconds.items() if each >= SHORTEST_SECONDS}


def start_seconds(state: TaskState) -> dict[str, float]:
    """Return the seconds of each phase that is over, in their order.

    Where a provider makes the task after it has its images, the first phase is the pull.
    """
    times = dict(state.times)
    pull_began, pull_ended = times.get("pull_started"), times.get("pull_stopped")
    spans = {
        "placement": (state.created_at, pull_began),
        "pull": (pull_began, pull_ended),
        "start": (pull_ended or state.created_at, state.started_at),
    }
    seconds = {name: (end - begin).total_seconds() for name, (begin, end) in spans.items() if begin and end}
    return {name: round(each, 3) for name, each in seconds.items() if each >= SHORTEST_SECONDS}


def start_text(state: TaskState, advice: Mapping[str, str], *, is_bound: bool = False) -> str:
    """Return what a pod's annotation says of its start, "" of a task that has not run, or of which a part runs anew.

    `advice` has, for some phases, a sentence on what makes them faster: it is said where the longest one is slow. Of a
    task that was bound to the pod, and so began before it, only when it ran.
    """
    if state.started_at is None or any(each.restarts for each in state.containers):
        return ""
    seconds = {} if is_bound else start_seconds(state)
    moment = state.started_at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
    why = faster(seconds, advice)
    return json.dumps({**seconds, RUNNING_AT: f"{moment}Z", **({FASTER: why} if why else {})})


def with_spark(driver: JSON, found: SparkStart, advice: Mapping[str, str], *, executors: int) -> JSON:
    """Return a driver whose annotation also says what its log tells, the driver itself where that is nothing new.

    The log's times are seconds since 1970.
    """
    seconds, running_at = told_start(driver)
    if running_at is None or found.made_at is None:
        return driver
    seconds |= found.seconds(running_at.timestamp(), executors)
    first = sorted(found.registered_at.items(), key=lambda each: each[1])[:MOST_EXECUTORS]
    told = {**seconds, RUNNING_AT: json.loads(annotations_of(driver)[START])[RUNNING_AT]}
    if first:
        told[EXECUTORS] = {number: round(at - running_at.timestamp(), 3) for number, at in first}
    if why := faster(seconds, advice_on(driver, advice, found)):
        told[FASTER] = why
    annotations = {**annotations_of(driver), START: json.dumps(told)}
    return {**driver, "metadata": {**driver["metadata"], "annotations": annotations}}


def advice_on(driver: JSON, advice: Mapping[str, str], found: SparkStart) -> dict[str, str]:
    """Return that part of a provider's advice that is news to this driver, and what its log gives away."""
    known = {name: text for name, text in advice.items() if name != "register" or PARKED not in annotations_of(driver)}
    return {
        **known,
        **({"JVM": f"it found no archive of its classes: {found.slow_because}"} if found.slow_because else {}),
    }


def faster(seconds: Mapping[str, float], advice: Mapping[str, str]) -> str:
    """Return the advice on the longest phase if that is slow, "" where there is none."""
    longest = max(seconds, key=lambda name: seconds[name], default="")
    return advice.get(longest, "") if seconds.get(longest, 0.0) >= SLOW_SECONDS else ""


def _told(pod: JSON) -> JSON:
    """Return a pod's annotation, empty for an older control plane's pod, or somebody else's annotation."""
    try:
        said = json.loads(annotations_of(pod).get(START, ""))
        return said if isinstance(said, dict) else {}
    except (ValueError, TypeError):
        return {}


def told_start(pod: JSON) -> tuple[dict[str, float], datetime | None]:
    """Return the phases of a pod's start by its annotation, and when its task ran, as far as they are known."""
    said = _told(pod)
    try:
        return {name: float(said[name]) for name in PHASES if name in said}, find_time(said.get(RUNNING_AT))
    except (ValueError, TypeError, AttributeError):
        return {}, None


def phase_under_way(pod: JSON | None) -> str:
    """Return the phase that a pod which does not run yet stands in; `submit` where it is not even stored."""
    if pod is None:
        return "submit"
    waits = [(each.get("state") or {}).get("waiting") or {} for each in status_of(pod).get("containerStatuses") or ()]
    if any(_OF_IMAGES.search(f"{each.get('reason', '')} {each.get('message', '')}") for each in waits):
        return "pull"
    return "start" if spec_of(pod).get("nodeName") else "placement"


def told_advice(pod: JSON) -> str:
    """Return what would make a pod's start faster, by its annotation; "" for nothing."""
    return str(_told(pod).get(FASTER, ""))


def executor_start(executor: JSON, driver: JSON) -> dict[str, float]:
    """Return the phases of an executor's start: its JVM's is over once it has registered, as its driver tells."""
    (seconds, ran_at), (_, driver_ran_at) = told_start(executor), told_start(driver)
    try:
        after = float(_told(driver)[EXECUTORS][labels_of(executor)["spark-exec-id"]])
    except (KeyError, TypeError, ValueError):
        return seconds
    if ran_at and driver_ran_at:
        took = (driver_ran_at + timedelta(seconds=after) - ran_at).total_seconds()
        seconds |= {"JVM": round(took, 3)} if took >= SHORTEST_SECONDS else {}
    return seconds
