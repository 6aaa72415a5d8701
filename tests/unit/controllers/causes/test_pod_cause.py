"""What a pod says of its end without its log."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.causes.pod_cause import cause_of, explained, unexplained, why_pending
from chalicelib.resources.pods.marks import ENDED_BY

DISRUPTED = [{"type": "DisruptionTarget", "status": "True"}]


def pod(
    role: str = "driver", *, phase: str = "Failed", metadata: JSON | None = None, **fields: Any
) -> JSON:  # Any: JSON
    ended = {"exitCode": 143, "reason": "Error", **fields.pop("ended", {})}
    status = {"phase": phase, "containerStatuses": [{"name": "c", "state": {"terminated": ended}}], **fields}
    return {
        "metadata": {"name": "p", "labels": {"spark-role": role}, **(metadata or {})},
        "spec": {"containers": [{"name": "c"}], "activeDeadlineSeconds": 60},
        "status": status,
    }


@pytest.mark.parametrize(
    ("ended", "sentence"),
    [
        (pod(reason="DeadlineExceeded"), "it ran longer than the 60 s that it may (--time-limit)"),
        (pod(reason="BudgetExceeded", message="used $2 of $1"), "it has spent its budget (--max-usd): used $2 of $1"),
        (pod(conditions=DISRUPTED), "the provider took its capacity back, as it may with Spot"),
        (pod("executor", conditions=DISRUPTED), "the provider took its capacity back, as it may with Spot"),
        (pod(metadata={"deletionTimestamp": "t"}), "it was killed: its pod was deleted while it ran"),
        (pod(metadata={"deletionTimestamp": "t", "annotations": {ENDED_BY: "by me"}}), "by me"),
        (pod(metadata={"annotations": {ENDED_BY: "by me"}}), ""),
        (pod("executor", metadata={"deletionTimestamp": "t"}), ""),  # by its driver
        (pod(ended={"message": "mine"}, reason="DeadlineExceeded"), "mine"),
        (pod(), ""),
        (pod("worker", reason="DeadlineExceeded"), "DeadlineExceeded"),
    ],
)
def test_a_pod_says_what_ended_it(ended: JSON, sentence: str) -> None:
    assert cause_of(explained(ended)) == sentence
    assert explained(explained(ended)) == explained(ended)


def test_who_ended_a_pod_that_never_ran_is_told() -> None:
    deleted = {"deletionTimestamp": "t", "deletionGracePeriodSeconds": 30, "annotations": {ENDED_BY: "by me"}}

    assert cause_of(pod(metadata=deleted, ended={"message": "what ran it is gone"})) == "by me"
    assert cause_of(pod(metadata={**deleted, "deletionGracePeriodSeconds": 0}, ended={"message": "boom"})) == "boom"


def test_a_pod_that_runs_or_succeeded_is_left_as_it_is() -> None:
    running = pod(phase="Running", reason="DeadlineExceeded")
    done = pod(phase="Succeeded", ended={"exitCode": 0})

    assert (explained(running), explained(done)) == (running, done)
    assert (cause_of(running), cause_of(done), cause_of({})) == ("", "", "")
    assert (unexplained(running), unexplained(done)) == (None, None)


UNSCHEDULED = [
    {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: 1 Insufficient memory."}
]


def waits(reason: str, message: str = "") -> list[JSON]:
    return [{"name": "c", "state": {"waiting": {"reason": reason, "message": message}}}]


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"phase": "Pending"}, ""),
        ({"phase": "Pending", "conditions": UNSCHEDULED}, "0/1 nodes are available: 1 Insufficient memory."),
        ({"phase": "Pending", "containerStatuses": waits("ErrImagePull", "not here")}, "ErrImagePull: not here"),
        ({"phase": "Pending", "initContainerStatuses": waits("ErrImagePull", "no")}, "ErrImagePull: no"),
        ({"phase": "Pending", "containerStatuses": waits("ContainerCreating", "Pulling image")}, ""),
        ({"phase": "Pending", "message": "no nfs", "containerStatuses": waits("ContainerCreating")}, "no nfs"),
        ({"phase": "Running", "conditions": UNSCHEDULED}, ""),
    ],
)
def test_a_pod_that_does_not_start_says_why(status: JSON, why: str) -> None:
    assert why_pending({"metadata": {"name": "p"}, "status": status}) == why
