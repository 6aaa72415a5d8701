"""Budgets: what a pod and all that it owns may cost, and the mark of one that is spent. Pure.

The mark is written before anything is stopped: after a crash it says what to go on with, and why the pod ended.
"""

from __future__ import annotations

import json
from datetime import datetime

from chalicelib.apimachinery.accessors import annotations_of
from chalicelib.apimachinery.rules.time import find_time, format_micro_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.usage import Usage
from chalicelib.providers.base import TaskState
from chalicelib.resources.pods.marks import BUDGET_EXCEEDED, MAX_USD, parse_dollars

BUDGET_REASON = "BudgetExceeded"


def max_usd(pod: JSON) -> float | None:
    """Return the pod's budget in dollars, None without one; one that cannot be read counts as none."""
    text = annotations_of(pod).get(MAX_USD)
    try:
        return None if text is None else parse_dollars(text)
    except ValueError:
        return None


def excess(pod: JSON, used: Usage, pods: int) -> str:
    """Return the sentence that says how a budget has been spent, "" while there is some left."""
    budget = max_usd(pod)
    if budget is None or used.usd < budget:
        return ""
    counted = f"{pods} pod" if pods == 1 else f"{pods} pods"
    return (
        f"used ${used.usd:.4f} of ${budget:.4f} ({MAX_USD}):"
        f" {counted}, {used.vcpu_seconds:.0f} vCPU-seconds, {used.gib_seconds:.0f} GiB-seconds"
    )


def with_mark(pod: JSON, message: str, now: datetime) -> JSON:
    """Return the pod marked as one whose budget is spent; the first mark stays."""
    if exceeded(pod):
        return pod
    text = json.dumps({"at": format_micro_time(now), "message": message})
    annotations = {**annotations_of(pod), BUDGET_EXCEEDED: text}
    return {**pod, "metadata": {**pod["metadata"], "annotations": annotations}}


def exceeded(pod: JSON) -> str:
    """Return what the mark says, "" for a pod without one."""
    return str(_mark(pod).get("message", ""))


def was_ended(pod: JSON, state: TaskState) -> bool:
    """Return whether a stopped task ended since its budget was found spent, so not by itself.

    A task whose end has no time was marked before its end was reported, and counts as ended by the mark.
    """
    since = find_time(_mark(pod).get("at"))
    return since is not None and (state.stopped_at is None or state.stopped_at >= since)


def _mark(pod: JSON) -> JSON:
    text = annotations_of(pod).get(BUDGET_EXCEEDED, "")
    try:
        said = json.loads(text) if text else {}
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
