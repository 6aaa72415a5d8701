"""How long the parts of a pod's start took, by what its provider reports of the task. Pure.

    placement | pull | start

A phase that the provider does not tell of, or that took no time, is left out. Kubernetes has whole seconds in its own
fields (startTime, startedAt), which say little of a start that takes three.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from chalicelib.apimachinery.accessors import annotations_of
from chalicelib.apimachinery.rules.time import find_time
from chalicelib.apimachinery.types import JSON
from chalicelib.providers.base import TaskState
from chalicelib.resources.pods.marks import START

POD_PHASES = ("placement", "pull", "start")
RUNNING_AT, FASTER = "runningAt", "faster"  # beside the phases: RFC 3339 with milliseconds, and a sentence
SHORTEST_SECONDS = 0.05  # of a phase that is worth a word: less reads 0.0 s
SLOW_SECONDS = 5.0  # of one that is worth advice


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


def start_text(state: TaskState, advice: Mapping[str, str]) -> str:
    """Return what a pod's annotation says of its start, "" of a task that has not run, or of which a part runs anew.

    `advice` has, for some phases, a sentence on what makes them faster: it is said where the longest one is slow.
    """
    if state.started_at is None or any(each.restarts for each in state.containers):
        return ""
    seconds = start_seconds(state)
    moment = state.started_at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
    why = faster(seconds, advice)
    return json.dumps({**seconds, RUNNING_AT: f"{moment}Z", **({FASTER: why} if why else {})})


def faster(seconds: Mapping[str, float], advice: Mapping[str, str]) -> str:
    """Return the advice on the longest phase if that is slow, "" where there is none."""
    longest = max(seconds, key=lambda name: seconds[name], default="")
    return advice.get(longest, "") if seconds.get(longest, 0.0) >= SLOW_SECONDS else ""


def told_start(pod: JSON) -> tuple[dict[str, float], datetime | None]:
    """Return the phases of a pod's start by its annotation, and when its task ran, as far as they are known."""
    try:
        said = json.loads(annotations_of(pod).get(START, ""))
        return {name: float(said[name]) for name in POD_PHASES if name in said}, find_time(said.get(RUNNING_AT))
    except (ValueError, TypeError, AttributeError):  # an older control plane's pod, or somebody else's annotation
        return {}, None
