"""Trial: runs steps one after the other, records them, and clears everything away, however it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from sparkanywhere.aws.clients import code_of
from sparkanywhere.aws.smoke import gateway, pods, scale, spark, tasks
from sparkanywhere.aws.smoke.ground import Ground
from sparkanywhere.aws.smoke.outcome import NotHere, Outcome, StepFailed
from sparkanywhere.aws.smoke.step import Step
from sparkanywhere.client.printable import brief

STEPS: Sequence[Step] = (*gateway.STEPS, *pods.STEPS, *tasks.STEPS, *spark.STEPS, *scale.STEPS)
NOTHING_LEFT = "nothing-left"
GONE_SECONDS = 300.0
DESCRIBED = 100


def run(ground: Ground, steps: Sequence[Step]) -> Iterator[Outcome]:
    """Yield how each step ends; a step that fails stops no other.

    The caller has to call clear_away() whatever happens, as on Ctrl-C. Raises StepFailed where no namespace can be
    made to try anything in.
    """
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ground.namespace}}
    answer = ground.call("POST", "/api/v1/namespaces", body=namespace)
    if answer.status != 201:
        raise StepFailed(f"namespace {ground.namespace} is refused with {answer.status}: {brief(answer.text)}")
    for step in steps:
        yield _tried(ground, step)


def _tried(ground: Ground, step: Step) -> Outcome:
    from botocore.exceptions import ClientError

    began = time.monotonic()

    def ended(state: Any, text: str) -> Outcome:  # Any: a State
        outcome = Outcome(step.name, state, " ".join(text.split()), round(time.monotonic() - began, 1))
        ground.recorder.write(outcome)
        return outcome

    try:
        return ended("ok", step.run(ground))
    except NotHere as error:
        return ended("not here", str(error))
    except StepFailed as error:
        return ended("failed", str(error))
    except ClientError as error:
        return ended("failed", f"{error.operation_name}: {code_of(error)}: {brief(error)}")
    except Exception as error:  # an answer that is unlike what we know is what the trial is for
        return ended("failed", f"{type(error).__name__}: {brief(error)}")


def clear_away(ground: Ground) -> Outcome:
    """Delete all that the trial has made, wait until it is gone, and say what is left if anything is. Repeatable."""
    clearing = Step(NOTHING_LEFT, "all that was made is gone", 0.0, 1, _cleared)
    return _tried(ground, clearing)


def _cleared(ground: Ground) -> str:
    for arn in ground.started_tasks:
        ground.aws("ecs", "stop_task", cluster=ground.site.setting("CLUSTER"), task=arn, reason="sparkanywhere smoke")
    for pod in ground.call("GET", ground.path("pods"), is_recorded=False).json().get("items") or []:
        if pod["metadata"].get("finalizers"):
            target, change = f"{ground.path('pods')}/{pod['metadata']['name']}", {"metadata": {"finalizers": None}}
            ground.call("PATCH", target, body=change, headers={"Content-Type": "application/merge-patch+json"})
    ground.call("DELETE", f"{ground.path('pods')}?gracePeriodSeconds=1", is_recorded=False)
    target, deadline = f"/api/v1/namespaces/{ground.namespace}", time.monotonic() + GONE_SECONDS
    ground.call("DELETE", target)
    while ground.call("GET", target, is_recorded=False).status != 404:
        if time.monotonic() > deadline:
            raise StepFailed(f"namespace {ground.namespace} is still there: kubectl describe ns {ground.namespace}")
        ground.pause()
    try:
        left = _living_tasks(ground)
    except NotHere as error:
        return f"the namespace is gone; whether tasks are, ECS was not asked: {brief(error)}"
    if left:
        raise StepFailed(f"tasks still run: {', '.join(left)}: aws ecs stop-task --task ARN")
    return "the namespace is gone, and none of its tasks runs"


def _living_tasks(ground: Ground) -> list[str]:
    """Return the ARNs of the trial's tasks that are to run, once those that are being stopped had their time."""
    cluster, deadline = ground.site.setting("CLUSTER"), time.monotonic() + GONE_SECONDS / 2
    while True:
        arns = ground.aws("ecs", "list_tasks", cluster=cluster, desiredStatus="RUNNING")["taskArns"]
        found = []
        for start in range(0, len(arns), DESCRIBED):
            some = arns[start : start + DESCRIBED]
            answer = ground.aws("ecs", "describe_tasks", cluster=cluster, tasks=some, include=["TAGS"])
            found += [each for each in answer["tasks"] if _is_ours(ground, each)]
        if not found or time.monotonic() > deadline:
            return [each["taskArn"] for each in found]
        ground.pause()


def _is_ours(ground: Ground, task: Any) -> bool:  # Any: boto3's
    tags = {each["key"]: each["value"] for each in task.get("tags") or ()}
    is_of_a_pod = tags.get("sparkanywhere:pod", "").startswith(f"{ground.namespace}/")
    return is_of_a_pod or task["taskArn"] in ground.started_tasks
