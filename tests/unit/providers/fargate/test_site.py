"""A namespace that has a security group and a role of its own shares neither with the others."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.providers.base import Container, Task, TaskRejected
from chalicelib.providers.declaration import ProviderContext
from chalicelib.providers.fargate.declaration import DECLARATION, FargateSettings
from chalicelib.providers.fargate.definitions import Launch, definition, run_task
from chalicelib.providers.fargate.provider import FargateProvider
from tests.aws_box.role import MODULE
from tests.unit.providers.fargate.fake_api import SITE

PATH = "arn:aws:iam::123456789012:role/jobs/tasks"
TENANTS = replace(
    SITE, task_role_arn=f"{PATH}/jobs-task", security_groups={"team-a": "sg-a", "team-b": "sg-b"}, security_group="sg-1"
)
MAIN = Container(name="main", image="busybox")


def task(namespace: str, role: str = "") -> Task:
    placement = (("eks.amazonaws.com/role-arn", role),) if role else ()
    return Task(uid="u", group=namespace, name="pod", containers=(MAIN,), placement=placement)


@pytest.mark.parametrize(
    ("namespace", "group", "role"),
    [
        ("team-a", "sg-a", f"{PATH}/jobs-task-team-a"),
        ("team-b", "sg-b", f"{PATH}/jobs-task-team-b"),
        ("default", "sg-1", f"{PATH}/jobs-task"),
        ("team", "sg-1", f"{PATH}/jobs-task"),
    ],
)
def test_a_task_has_the_group_and_the_role_of_its_namespace(namespace: str, group: str, role: str) -> None:
    network = run_task(task(namespace), TENANTS, Launch("arn:d", "https://api"))["networkConfiguration"]

    assert network["awsvpcConfiguration"]["securityGroups"] == [group]
    assert definition(task(namespace), TENANTS)["taskRoleArn"] == role


@pytest.mark.parametrize("namespace", ["team-a", "default"])
def test_a_service_account_chooses_among_roles_that_are_no_namespaces_own(namespace: str) -> None:
    chosen = f"{PATH}/reader"

    assert definition(task(namespace, chosen), TENANTS)["taskRoleArn"] == chosen


@pytest.mark.parametrize("path", [PATH, f"{PATH}/deeper", "arn:aws:iam::123456789012:role"])
@pytest.mark.parametrize("namespace", ["team-a", "default"])
def test_no_service_account_chooses_the_role_of_another_namespace(namespace: str, path: str) -> None:
    with pytest.raises(TaskRejected, match="namespace team-b alone"):
        definition(task(namespace, f"{path}/jobs-task-team-b"), TENANTS)


@pytest.mark.parametrize(
    "role",
    [
        "arn:aws:iam::123456789012:role/reader",
        "arn:aws:iam::123456789012:role/jobs/reader",
        "arn:aws:iam::123456789012:role/jobs-dev/tasks/reader",
        "arn:aws:iam::210987654321:role/jobs/tasks/reader",
        "arn:aws-cn:iam::123456789012:role/jobs/tasks/reader",
    ],
)
def test_no_service_account_chooses_a_role_of_another_path_or_account(role: str) -> None:
    with pytest.raises(TaskRejected, match=f"role {role} is not below {PATH}/"):
        definition(task("team-a", role), TENANTS)
    with pytest.raises(TaskRejected, match=f"role {role} is not below {PATH}/"):  # as soon as the pod is created
        FargateProvider(TENANTS, payloads=lambda _: "").warnings(task("team-a", role))


@pytest.mark.parametrize(
    "role", ["reader", "arn:aws:iam::1:user/reader", f"{PATH}/a b", f"{PATH}/r\n", "arn:aws:iam::1:role/"]
)
def test_what_is_no_arn_of_a_role_is_refused(role: str) -> None:
    with pytest.raises(TaskRejected, match="is not the ARN of an IAM role"):
        definition(task("team-a", role), TENANTS)


def test_a_role_of_another_namespace_is_known_in_any_case() -> None:
    with pytest.raises(TaskRejected, match="namespace team-b alone"):
        definition(task("team-a", f"{PATH}/JOBS-task-Team-B"), TENANTS)


def test_a_namespace_may_name_its_own_role() -> None:
    own = f"{PATH}/jobs-task-team-b"

    assert definition(task("team-b", own), TENANTS)["taskRoleArn"] == own


def test_terraform_names_the_roles_as_they_are_looked_for() -> None:
    roles = (MODULE / "task_roles.tf").read_text().partition('resource "aws_iam_role" "task"')[2]
    tenants = re.search(r"tenants = merge\((.*)\)", (MODULE / "names.tf").read_text())

    assert re.search(r'name += "\$\{local\.deployment\}-task\$\{each\.value\}"', roles)
    assert tenants is not None
    assert '(local.shared) = ""' in tenants[1]
    assert 'namespace => "-${namespace}"' in tenants[1]


def test_the_pairs_of_the_setting_are_read(tmp_path: Path) -> None:
    settings = FargateSettings(task_role="arn:aws:iam::1:role/t", security_groups=" team-a=sg-a, team-b=sg-b,")
    context = ProviderContext(instance="i", state=tmp_path, cache=tmp_path, environ={}, settings=settings)

    provider = DECLARATION.build(context)

    assert isinstance(provider, FargateProvider)
    assert provider._site.security_groups == {"team-a": "sg-a", "team-b": "sg-b"}
