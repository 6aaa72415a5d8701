"""The control plane's role is written twice, for Terraform and for Chalice alone: both allow the same, and no more."""

from __future__ import annotations

import pytest
from chalice.config import Config

from chalicelib.providers.fargate.definitions import FAMILY_DIGITS
from tests.aws_box.role import (
    Statement,
    chalice_config,
    of_chalice,
    of_terraform,
    statements_of_chalice,
    statements_of_terraform,
)

# Service Authorization Reference, pages of Amazon ECS, Service Quotas and AWS X-Ray (2026): describing, listing and
# deregistering task definitions, GetServiceQuota and X-Ray's two know no resource, ListTasks container instances alone.
# Of RegisterTaskDefinition control_plane.tf says why.
ANY_RESOURCE = {
    "ecs:DeregisterTaskDefinition",
    "ecs:DescribeTaskDefinition",
    "ecs:ListTaskDefinitionFamilies",
    "ecs:ListTasks",
    "ecs:RegisterTaskDefinition",
    "servicequotas:GetServiceQuota",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}
POLICIES = {"terraform": statements_of_terraform(), "chalice": statements_of_chalice()}
ECS = "arn:aws:ecs:us-east-1:123456789012"
HERE = {"ecs:cluster": f"{ECS}:cluster/sparkanywhere-prod"}
ELSEWHERE = {"ecs:cluster": f"{ECS}:cluster/sparkanywhere-dev"}
TO_TASKS = {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
FAMILY = "0123456789abcdef"
assert len(FAMILY) == FAMILY_DIGITS
DEFINITION, OTHER_DEFINITION = f"{ECS}:task-definition/sparkanywhere-prod-{FAMILY}:1", f"{ECS}:task-definition/web:1"
TASK, OTHER_TASK = f"{ECS}:task/sparkanywhere-prod/0a1b", f"{ECS}:task/web/0a1b"
ROLES = "arn:aws:iam::123456789012:role"
TABLES = "arn:aws:dynamodb:us-east-1:123456789012:table"
BUCKET = "arn:aws:s3:::sparkanywhere-prod-123456789012-us-east-1"
LOGS = "arn:aws:logs:us-east-1:123456789012:log-group"
FUNCTIONS = "arn:aws:lambda:us-east-1:123456789012:function"
PARAMETERS = "arn:aws:ssm:us-east-1:123456789012:parameter"

ALLOWED: list[tuple[str, str, dict[str, str]]] = [
    ("ecs:RunTask", DEFINITION, HERE),
    ("ecs:StopTask", TASK, HERE),
    ("ecs:DeleteTaskDefinitions", DEFINITION, {}),
    ("ecs:DescribeTasks", TASK, HERE),
    ("ecs:ListTasks", "*", HERE),
    ("ecs:TagResource", TASK, {"ecs:CreateAction": "RunTask"}),
    ("iam:PassRole", f"{ROLES}/sparkanywhere-prod-execution", TO_TASKS),
    ("iam:PassRole", f"{ROLES}/sparkanywhere-prod/tasks/reader", TO_TASKS),
    ("dynamodb:PutItem", f"{TABLES}/sparkanywhere-prod-objects", {}),
    ("s3:PutObject", f"{BUCKET}/staged/0a1b", {}),
    ("logs:GetLogEvents", f"{LOGS}:/sparkanywhere-prod/tasks:log-stream:a", {}),
    ("ssm:GetParameter", f"{PARAMETERS}/sparkanywhere-prod/admin-token", {}),
    ("logs:PutLogEvents", f"{LOGS}:/aws/lambda/sparkanywhere-prod:log-stream:a", {}),
    ("logs:PutLogEvents", f"{LOGS}:/aws/lambda/sparkanywhere-prod-resync:log-stream:a", {}),
    ("sqs:SendMessage", "arn:aws:sqs:us-east-1:123456789012:sparkanywhere-prod-dead-letters", {}),
    ("lambda:InvokeFunction", f"{FUNCTIONS}:sparkanywhere-prod-launch", {}),
]
REFUSED: list[tuple[str, str, dict[str, str]]] = [
    ("ecs:RunTask", DEFINITION, ELSEWHERE),
    ("ecs:RunTask", DEFINITION, {}),
    ("ecs:RunTask", OTHER_DEFINITION, HERE),
    ("ecs:StopTask", OTHER_TASK, {}),
    ("ecs:DeleteTaskDefinitions", OTHER_DEFINITION, {}),
    ("ecs:DescribeTasks", OTHER_TASK, {}),
    ("ecs:ListTasks", "*", ELSEWHERE),
    ("ecs:TagResource", TASK, {}),
    ("ecs:TagResource", OTHER_TASK, {"ecs:CreateAction": "RunTask"}),
    ("iam:PassRole", f"{ROLES}/administrator", TO_TASKS),
    ("iam:PassRole", f"{ROLES}/sparkanywhere-prod-control-plane", TO_TASKS),
    ("iam:PassRole", f"{ROLES}/sparkanywhere-prod/tasks/reader", {"iam:PassedToService": "lambda.amazonaws.com"}),
    ("iam:PassRole", f"{ROLES}/sparkanywhere-prod/tasks/reader", {}),
    ("iam:PassRole", f"{ROLES}/sparkanywhere-dev/tasks/reader", TO_TASKS),
    ("dynamodb:PutItem", f"{TABLES}/accounts", {}),
    ("dynamodb:PutItem", f"{TABLES}/sparkanywhere-dev-objects", {}),
    ("logs:PutLogEvents", f"{LOGS}:/aws/lambda/sparkanywhere-dev:log-stream:a", {}),
    ("logs:CreateLogGroup", f"{LOGS}:/aws/lambda/sparkanywhere-prod", {}),
    ("s3:GetObject", "arn:aws:s3:::somebody-elses/staged/0a1b", {}),
    ("s3:PutObject", f"{BUCKET}/event-logs/0a1b", {}),
    ("logs:GetLogEvents", f"{LOGS}:/web:log-stream:a", {}),
    ("logs:PutLogEvents", f"{LOGS}:/sparkanywhere-prod/tasks:log-stream:a", {}),
    ("ssm:GetParameter", f"{PARAMETERS}/database/password", {}),
    ("lambda:InvokeFunction", f"{FUNCTIONS}:sparkanywhere-prod", {}),
    ("lambda:InvokeFunction", f"{FUNCTIONS}:web-launch", {}),
]


# Deployments beside sparkanywhere-prod whose names begin like its own: NAME-STAGE as Terraform's variables let them be.
ALIKE = [
    f"sparkanywhere-prod-{more}" for more in ("x", "a-b", "abcde-0123456789", "abc-abcdefgh", "ab-abcdefghi", "task-x")
]


def allows(policy: dict[str, Statement], action: str, resource: str, context: dict[str, str]) -> bool:
    """Return whether any statement of a policy allows a request."""
    return any(each.allows(action, resource, context) for each in policy.values())


def test_both_policies_allow_the_same_under_the_same_conditions() -> None:
    of_jobs = {"FilesOfJobs"}  # the buckets that a user has named to Terraform, none by default

    terraform = {sid: each for sid, each in POLICIES["terraform"].items() if sid not in of_jobs}
    assert POLICIES["chalice"] == terraform


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_every_stage_has_the_one_policy(stage: str) -> None:
    config = Config(chalice_stage=stage, config_from_disk=chalice_config())

    assert (config.iam_policy_file, config.autogen_policy) == ("policy.json", False)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("action", "resource", "context"), ALLOWED)
def test_what_is_ours_is_allowed(policy: str, action: str, resource: str, context: dict[str, str]) -> None:
    assert allows(POLICIES[policy], action, resource, context)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("action", "resource", "context"), REFUSED)
def test_what_is_not_ours_is_refused(policy: str, action: str, resource: str, context: dict[str, str]) -> None:
    assert not allows(POLICIES[policy], action, resource, context)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("alike", ALIKE)
def test_a_deployment_whose_name_begins_alike_is_not_ours(policy: str, alike: str) -> None:
    """Of all that is allowed here nothing is there."""
    theirs = [
        (
            action,
            resource.replace("sparkanywhere-prod", alike),
            {key: text.replace("sparkanywhere-prod", alike) for key, text in context.items()},
        )
        for action, resource, context in ALLOWED
        if resource != "*"
    ]
    # Even where the cluster is ours.
    theirs += [(action, resource, HERE) for action, resource, _ in theirs if action.startswith("ecs:")]

    assert [each for each in theirs if allows(POLICIES[policy], *each)] == []


@pytest.mark.parametrize("policy", POLICIES)
def test_every_other_action_names_its_resources(policy: str) -> None:
    unbounded = [each.actions for each in POLICIES[policy].values() if "*" in each.resources]

    assert {action for actions in unbounded for action in actions} == ANY_RESOURCE


def test_no_action_is_a_pattern() -> None:
    assert [action for action in of_chalice() if "*" in action] == []
    assert "ecs:RunTask" in of_terraform()
