"""Steps that call ECS with the credentials of whoever tries: what the control plane relies on and cannot ask for."""

from __future__ import annotations

import uuid
from typing import Any

from chalicelib.apimachinery.accessors import annotations_of, is_terminal, phase_of
from chalicelib.resources.pods.marks import TASK_ANNOTATION
from sparkanywhere.aws.clients import code_of
from sparkanywhere.aws.smoke.ground import Ground, expect
from sparkanywhere.aws.smoke.outcome import StepFailed
from sparkanywhere.aws.smoke.step import step

NO_SUBNET = "subnet-00000000000000000"


def _definition(ground: Ground) -> str:
    """Return the task definition of a pod of ours that has a task."""
    name = "token-source"
    ground.start(name, "true")
    pod = ground.wait_for(
        name, lambda pod: TASK_ANNOTATION in annotations_of(pod) or is_terminal(pod), "started", seconds=120
    )
    arn = annotations_of(pod).get(TASK_ANNOTATION)
    expect(bool(arn), f"pod {name} is {phase_of(pod)} and has no task")
    found = ground.aws("ecs", "describe_tasks", cluster=ground.site.setting("CLUSTER"), tasks=[arn])["tasks"]
    expect(bool(found), f"ECS does not know task {arn}")
    return str(found[0]["taskDefinitionArn"])


def _request(ground: Ground, definition: str, *, subnets: list[str]) -> dict[str, Any]:
    is_public = ground.site.setting("ASSIGN_PUBLIC_IP") in ("1", "true")
    network = {
        "subnets": subnets,
        "securityGroups": [ground.site.setting("SECURITY_GROUP")],
        "assignPublicIp": "ENABLED" if is_public else "DISABLED",
    }
    return {
        "cluster": ground.site.setting("CLUSTER"),
        "taskDefinition": definition,
        "count": 1,
        "clientToken": str(uuid.uuid4()),
        "startedBy": "sparkanywhere-smoke",
        "platformVersion": "1.4.0",
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}],
        "networkConfiguration": {"awsvpcConfiguration": network},
    }


@step("client-token", usd=0.002, minutes=2)
def client_token(ground: Ground) -> str:
    """Try RunTask twice with one clientToken: it starts one task."""
    request = _request(ground, _definition(ground), subnets=list(ground.site.subnets[:1]))
    arns = []
    for _ in range(2):
        answer = ground.aws("ecs", "run_task", **request)
        ground.started_tasks += [each["taskArn"] for each in answer["tasks"]]
        arns.append([each["taskArn"] for each in answer["tasks"]])
    expect(len(arns[0]) == 1 and arns[0] == arns[1], f"one clientToken has started {len({*arns[0], *arns[1]})} tasks")
    return "the second RunTask with one clientToken answers with the first one's task"


@step("bad-subnet", usd=0.001, minutes=1)
def bad_subnet(ground: Ground) -> str:
    """Try a subnet that does not exist: it is refused, with ECS's exact words."""
    request = _request(ground, _definition(ground), subnets=[NO_SUBNET])
    from botocore.exceptions import ClientError

    try:
        answer = ground.aws("ecs", "run_task", **request)
    except ClientError as error:
        return f"{code_of(error)}: {error.response['Error'].get('Message')}"
    ground.started_tasks += [each["taskArn"] for each in answer["tasks"]]
    if answer["failures"]:
        return f"failures of a 200: {answer['failures'][0]}"
    raise StepFailed("ECS has taken a task for a subnet that does not exist")


STEPS = (client_token, bad_subnet)
