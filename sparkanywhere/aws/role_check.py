"""Check of the functions' role: whether IAM allows each call that the control plane makes.

Asked of IAM itself, IAM API Reference, SimulatePrincipalPolicy: the role's own policies, its boundary and what the
organization forbids, with the resource and the condition keys that the call would have. A policy of the resource (a
bucket's, a key's) is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.secret_value import ARN
from sparkanywhere.aws.clients import Clients, code_of
from sparkanywhere.aws.finding import Finding
from sparkanywhere.aws.site import Site


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of one service on one resource, with the condition keys that they have."""

    actions: tuple[str, ...]
    resource: str
    context: tuple[tuple[str, str], ...] = ()


FAMILY = "d0c" + "0" * 13  # as a task definition's, whose hash has as many digits
TABLE = (
    "BatchGetItem",
    "ConditionCheckItem",
    "DeleteItem",
    "DescribeTable",
    "GetItem",
    "PutItem",
    "Query",
    "UpdateItem",
)
DEFINITIONS = (
    "DeregisterTaskDefinition",
    "DescribeTaskDefinition",
    "ListTaskDefinitionFamilies",
    "RegisterTaskDefinition",
)


def calls_of(site: Site) -> Sequence[Calls]:
    """Return the calls that this deployment's functions make. Pure."""
    start, here = f"arn:{site.partition}:", f":{site.region}:{site.account}:"
    group = f"{start}logs{here}log-group:"
    calls = [
        Calls(tuple(f"dynamodb:{each}" for each in TABLE), f"{start}dynamodb{here}table/{site.setting('TABLE')}"),
        *_calls_of_ecs(site, f"{start}ecs{here}"),
        Calls(("servicequotas:GetServiceQuota",), "*"),
        Calls(("lambda:InvokeFunction",), f"{start}lambda{here}function:{site.setting('DEPLOYMENT')}-launch"),
        Calls(("logs:GetLogEvents",), f"{group}{site.setting('LOG_GROUP')}:log-stream:doctor"),
        Calls(("logs:CreateLogStream", "logs:PutLogEvents"), f"{group}/aws/lambda/{site.function}:log-stream:doctor"),
    ]
    if bucket := site.setting("BUCKET"):
        calls.append(Calls(("s3:DeleteObject", "s3:GetObject", "s3:PutObject"), f"{start}s3:::{bucket}/staged/doctor"))
    if found := ARN.fullmatch(site.setting("TOKEN_FROM")):
        read = "ssm:GetParameter" if found["service"] == "ssm" else "secretsmanager:GetSecretValue"
        calls.append(Calls((read,), site.setting("TOKEN_FROM")))
    return calls


def _calls_of_ecs(site: Site, start: str) -> list[Calls]:
    cluster = (("ecs:cluster", site.setting("CLUSTER_ARN")),)
    definition = f"{start}task-definition/{site.setting('DEPLOYMENT')}-{FAMILY}:1"
    task = f"{start}task/{site.setting('CLUSTER')}/doctor"
    to_tasks = (("iam:PassedToService", "ecs-tasks.amazonaws.com"),)
    roles = (site.setting(each) for each in ("EXECUTION_ROLE", "TASK_ROLE"))
    return [
        Calls(("ecs:RunTask",), definition, cluster),
        Calls(("ecs:DescribeTasks", "ecs:StopTask"), task, cluster),
        Calls(("ecs:ListTasks",), "*", cluster),
        Calls(tuple(f"ecs:{each}" for each in DEFINITIONS), "*"),
        Calls(("ecs:DeleteTaskDefinitions",), definition),
        Calls(("ecs:TagResource",), definition, (("ecs:CreateAction", "RegisterTaskDefinition"),)),
        Calls(("ecs:TagResource",), task, (("ecs:CreateAction", "RunTask"),)),
        *(Calls(("iam:PassRole",), role, to_tasks) for role in roles if role),
    ]


def _roles(site: Site) -> list[str]:
    """Return the ARNs of all roles that the deployment goes by, namespaces' own ones included."""
    task = site.setting("TASK_ROLE")
    namespaces = [pair.partition("=")[0] for pair in site.setting("SECURITY_GROUPS").split(",") if pair]
    own = [f"{task}-{each}" for each in namespaces]
    return [each for each in (site.role_arn, site.setting("EXECUTION_ROLE"), task, *own) if each]


def _is_there(role_arn: str, iam: Any) -> bool:  # Any: boto3's
    try:
        iam.get_role(RoleName=role_arn.rpartition("/")[2])
    except Exception as error:
        if code_of(error) != "NoSuchEntity":
            raise
        return False
    return True


def check_role(site: Site, clients: Clients) -> Iterator[Finding]:
    """Yield which roles are gone, else which calls of the control plane IAM would refuse."""
    iam = clients("iam")
    if missing := [each for each in _roles(site) if not _is_there(each, iam)]:
        yield Finding("role", "failure", f"there is no {' and no '.join(missing)}", site.deploy)
        return
    refused, count = [], 0
    for each in calls_of(site):
        context = [
            {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
            for key, value in each.context
        ]
        answer = iam.simulate_principal_policy(
            PolicySourceArn=site.role_arn,
            ActionNames=list(each.actions),
            ResourceArns=[each.resource],
            ContextEntries=context,
        )
        count += len(each.actions)
        refused += [
            f"{result['EvalActionName']} on {each.resource}"
            for result in answer["EvaluationResults"]
            if result["EvalDecision"] != "allowed"
        ]
    if refused:
        yield Finding("role", "failure", f"{site.role_arn} may not: {'; '.join(refused)}", site.deploy)
    else:
        yield Finding("role", "ok", f"{site.role_arn} may make all {count} calls")
