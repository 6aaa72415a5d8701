"""Annotations of pods that mean something here: those that users set, checked, and those that only we write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

from chalicelib.apimachinery.rules.causes import invalid
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON

MAX_USD = "sparkanywhere.io/max-usd"  # what a pod and all that it owns may cost, in dollars
ENDED_BY = "sparkanywhere.io/ended-by"  # who deletes a pod, and why: a sentence
TTL_ANNOTATION = "sparkanywhere.io/ttl"  # how long a finished pod is kept
BUDGET_EXCEEDED = "sparkanywhere.io/budget-exceeded"  # JSON: when it was found out, and the figures
USED_BY_GONE = "sparkanywhere.io/used-by-gone-pods"  # JSON: what pods used that are no longer stored
BILLED_FROM = "sparkanywhere.io/billed-from"  # when the provider began to charge, RFC 3339
ENDED_AT = "sparkanywhere.io/ended-at"  # when a task ended of which no container tells, RFC 3339
PAID_BEFORE = "sparkanywhere.io/paid-before"  # of a task that was warm until then: for how many seconds
SIZE = "sparkanywhere.io/size"  # JSON: what the provider has given, where it rounds up
ZONE = "sparkanywhere.io/zone"  # the availability zone that the pod's task runs in
CAPACITY = "sparkanywhere.io/capacity"  # what the pod's task runs on: fargate-spot, fargate, or a capacity provider
DEFINITION = "sparkanywhere.io/task-definition"  # what the pod's task was started from, where the provider names it
HOME_ZONE = "sparkanywhere.io/home-zone"  # its driver's, in which an executor is to run; `any` to be spread
ANY_ZONE = "any"
START = "sparkanywhere.io/start"  # JSON: how long the phases of its start took, and when its task ran
RATE = "sparkanywhere.io/rate"  # JSON: what an hour of the pod comes to
FAILED_STARTS = (
    "sparkanywhere.io/failed-starts"  # tasks that ended before they began: how many more, +, the last handles
)
PARK = "sparkanywhere.io/park"  # of a driver: whether its executors' tasks start with it, true or false
PARKED = "sparkanywhere.io/parked"  # how many of them did
WAITS_FOR = "sparkanywhere.io/waits-for"  # of a parked pod: who has taken its place in quotas, "" while nobody has
CLAIMED_AT = "sparkanywhere.io/claimed-at"  # of a warm pod: when that was written, RFC 3339
PARKED_POD = "sparkanywhere.io/parked-pod"  # of an executor: the pod whose task waited for it
BOUND_TASK = "sparkanywhere.io/bound-task"  # of an executor: the uid that its task was started under
BOUND_TO = "sparkanywhere.io/bound-to"  # of a parked pod as it goes: the uid of the pod that has its task from now on
WARM = "sparkanywhere.io/warm"  # of a driver: it runs nothing, its task and its executors' wait so long for a job
KEEP_WARM = "sparkanywhere.io/keep-warm"  # of a driver: how long such tasks wait for the next job, from its end on
KEPT_WARM = "sparkanywhere.io/kept-warm"  # of a driver: true when they have been asked for
BEGUN = "begun"  # before
WARM_USER = "sparkanywhere.io/warm-user"  # of a parked pod: it is warm, and for jobs of that user
TAKES_WARM = "sparkanywhere.io/takes-warm"  # of a pod: whose warm tasks it may take
CREATOR = "sparkanywhere.io/creator"  # of a Job: its user, whose warm tasks the drivers that it makes take
TASK_ANNOTATION = "sparkanywhere.io/task"
VERSION_ANNOTATION = "sparkanywhere.io/task-version"

WRITTEN_BY_US = (
    BUDGET_EXCEEDED,
    USED_BY_GONE,
    BILLED_FROM,
    ENDED_AT,
    PAID_BEFORE,
    SIZE,
    ZONE,
    CAPACITY,
    DEFINITION,
    RATE,
    START,
    FAILED_STARTS,
    PARKED,
    WAITS_FOR,
    CLAIMED_AT,
    PARKED_POD,
    BOUND_TASK,
    BOUND_TO,
    KEPT_WARM,
    WARM_USER,
    TAKES_WARM,
    CREATOR,
    TASK_ANNOTATION,
    VERSION_ANNOTATION,
)
NOT_DOLLARS = "must be an amount of US dollars above 0, such as 5 or 0.50"
NOT_A_TTL = "must be a number of seconds, a span such as 90s, 15m, 12h or 7d, or never"

NOT_WARM = "must be a number of seconds, or a span such as 300s, 15m or 2h, of 2 minutes at least, of a day at most"
SHORTEST_WARM_SECONDS = 120  # no job gets the last one, and the tasks take most of the first to be there
LONGEST_WARM_SECONDS = 86400
MOST_PARKED = 50  # of one driver: what ECS starts within three seconds, before the driver itself runs

_TTL = re.compile(r"([0-9]{1,15})([smhd]?)", re.ASCII)
_UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DOLLARS = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?", re.ASCII)


def parse_dollars(text: str) -> float:
    """Return an amount of dollars above 0. Raises ValueError."""
    if not _DOLLARS.fullmatch(text) or float(text) <= 0:
        raise ValueError(f"{text!r} is no amount: {NOT_DOLLARS}")
    return float(text)


def parse_ttl(text: str) -> float | None:
    """Return a span in seconds, None for `never`. Raises ValueError."""
    text = text.strip().lower()
    if text == "never":
        return None
    match = _TTL.fullmatch(text)
    if not match:
        raise ValueError(NOT_A_TTL)
    return float(match[1]) * _UNIT_SECONDS[match[2]]


def parse_warm(text: str) -> int:
    """Return for how many seconds tasks are to be kept warm. Raises ValueError."""
    with suppress(ValueError):
        seconds = parse_ttl(text) or 0.0
        if SHORTEST_WARM_SECONDS <= seconds <= LONGEST_WARM_SECONDS:
            return int(seconds)
    raise ValueError(NOT_WARM)


def without_our_marks(pod: JSON) -> None:
    """Take, in place, from a pod that a client sends what only we write: it may be a copy of another one."""
    annotations = pod["metadata"].get("annotations") or {}
    kept = {key: text for key, text in annotations.items() if key not in WRITTEN_BY_US}
    if kept == annotations:
        return
    if kept:
        pod["metadata"]["annotations"] = kept
    else:
        pod["metadata"].pop("annotations")


def keep_our_marks(pod: JSON, old: JSON) -> None:
    """Give, in place, an updated pod what we have written into it so far: a client changes nothing of that.

    Whoever could would point a pod at another one's task, and stop that by a delete.
    """
    before = {key: text for key, text in (old["metadata"].get("annotations") or {}).items() if key in WRITTEN_BY_US}
    without_our_marks(pod)
    if before:
        pod["metadata"]["annotations"] = {**(pod["metadata"].get("annotations") or {}), **before}


def annotation_causes(pod: JSON, old: JSON | None = None) -> Iterator[Cause]:
    """Yield what is wrong with annotations that users set, if an update of `old` changes them at all."""
    annotations = pod["metadata"].get("annotations") or {}
    before = (old["metadata"].get("annotations") or {}) if old else {}
    for key, parse, problem in (
        (MAX_USD, parse_dollars, NOT_DOLLARS),
        (TTL_ANNOTATION, parse_ttl, NOT_A_TTL),
        (WARM, parse_warm, NOT_WARM),
        (KEEP_WARM, parse_warm, NOT_WARM),
    ):
        text = annotations.get(key)
        if text is None or text == before.get(key):
            continue
        try:
            parse(text)
        except ValueError:
            yield invalid(f"metadata.annotations[{key}]", text, problem)
