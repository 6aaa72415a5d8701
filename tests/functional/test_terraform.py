"""terraform/ by the real Terraform: formatted, valid, and applied, planned again and destroyed on an AWS emulator.

What this cannot prove: that AWS's own limits and IAM take it; the emulator checks neither. Policies are looked at as
Terraform has written them there: by a linter, and by an evaluation of the requests that matter.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import boto3
import pytest
from moto.iam.aws_managed_policies import aws_managed_policies_data

from chalicelib.config import Settings, read_settings
from chalicelib.providers.base import Task
from chalicelib.providers.declaration import ProviderContext
from chalicelib.providers.fargate.declaration import DECLARATION, FargateSettings
from chalicelib.providers.fargate.provider import FargateProvider
from chalicelib.secret_value import read_secret
from chalicelib.storage.dynamodb.declaration import DynamoSettings
from sparkanywhere.cli.stage_config import environment
from sparkanywhere.deployment.project_folder import known_variables
from tests.aws_box.moto_server import credentials, moto
from tests.aws_box.policy import Document, allows, faults
from tests.aws_box.role import BUCKET as ANY_BUCKET
from tests.aws_box.role import ROOT, Statement, functions, statements_of, statements_of_terraform
from tests.aws_box.wire import Request
from tests.tools import find, terraform_plugins

SOURCE = ROOT / "terraform"
ACCOUNT = "123456789012"  # the emulator's
APPLY = ("apply", "-auto-approve", "-input=false")
# What each stage's deployment is applied with: one to keep, and one that may be destroyed again.
OPEN = {
    "prod": (),
    "dev": (
        *("-var", "deletion_protection=false"),
        *("-var", 'namespaces=["team-a"]'),
        *("-var", 'pull_through_cache={dev-public="public.ecr.aws"}'),
    ),
}
APPLY_SECONDS = 240  # the provider itself waits for buckets' lifecycle rules, a minute at least

# Every variable of a deployment that lives: what would do harm and is refused, and what changes it or takes from it.
KEPT = {"name": "other", "stage": "dev", "region": "eu-west-1", "vpc_cidr": "10.40.0.0/16", "network": "endpoints"}
ADDED = {
    "tags": '{"team" = "a"}',
    "availability_zones": "4",
    "namespaces": '["team-a"]',
    "log_retention_days": "1",
    "staged_file_days": "1",
    "event_log_days": "1",
    "job_buckets": '["files"]',
    "xray": "true",
    "monthly_budget_usd": "5",
    "budget_mail": "me@example.com",
    "admin_token_version": "2",
    "alarm_mail": "me@example.com",
    "alarm_topics": f'["arn:aws:sns:us-east-1:{ACCOUNT}:topic"]',
    "dashboard": "true",
    "reserved_concurrency": "{resync = 1}",
    "api_requests_a_second": "1",
    "api_burst": "1",
    "data_buckets": '["data"]',
    "pull_through_cache": '{quay = "quay.io"}',
}
TAKEN = {
    "network": "nat",
    "availability_zones": "2",
    "customer_key": "false",
    "admin_token": "false",
    "alarms": "false",
    "execute_command": "false",
    "deletion_protection": "false",
}
# What may go then. Nothing of it holds objects, files, logs, or what lets anybody in but the administrator's token.
GOES = {
    "aws_subnet",
    "aws_route_table_association",
    "aws_kms_key",
    "aws_kms_alias",
    "aws_ssm_parameter",
    "aws_cloudwatch_metric_alarm",
}
ONLY_FOR_EMULATORS = "endpoint_url"
KEY_AND_WHAT_IT_KEEPS = tuple(
    f"-target=module.sparkanywhere.{each}"
    for each in (
        "aws_kms_key.this",
        "aws_kms_alias.this",
        "aws_dynamodb_table.objects",
        "aws_ssm_parameter.admin_token",
    )
)

pytestmark = [pytest.mark.terraform, pytest.mark.slow, pytest.mark.timeout(600)]

Outputs = dict[str, Any]  # by name, each with its "value"
BUCKET = f"sparkanywhere-prod-{ACCOUNT}-us-east-1"
DEV_BUCKET = f"sparkanywhere-dev-{ACCOUNT}-us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/sparkanywhere-prod-control-plane"
READER = f"arn:aws:iam::{ACCOUNT}:user/reader"
PARAMETER = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/sparkanywhere-prod/admin-token"
TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/sparkanywhere-prod-objects"
TABLE_KEY = {
    "kms:ViaService": "dynamodb.us-east-1.amazonaws.com",
    "kms:EncryptionContext:aws:dynamodb:tableName": "sparkanywhere-prod-objects",
}
TOKEN_KEY = {"kms:ViaService": "ssm.us-east-1.amazonaws.com", "kms:EncryptionContext:PARAMETER_ARN": PARAMETER}


def client(service: str) -> Any:  # Any: boto3 makes its clients at run time
    make: Any = boto3.client
    return make(service, region_name="us-east-1")


def inline(role: str) -> Document:
    """Return the one policy of a role."""
    iam = client("iam")
    [name] = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document: Document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    return document


def conditions_of_trust(name: str) -> list[Any]:  # Any: JSON
    """Return under which conditions a role may be taken on."""
    document = client("iam").get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    return [each.get("Condition") for each in document["Statement"]]


def control_plane_policy() -> Any:  # Any: JSON
    """Return the policy as Terraform has written it, open for any account, region and name of a bucket."""
    text = json.dumps(inline("sparkanywhere-prod-control-plane")).replace("ArnEquals", "ArnLike")
    text = text.replace(BUCKET, ANY_BUCKET)
    return json.loads(text.replace("us-east-1", "*").replace(ACCOUNT, "*"))


def default_statements() -> dict[str, Statement]:
    """Return what tests read in control_plane.tf, without what only a variable brings."""
    by_choice = ("FilesOfJobs", "Trace")
    return {sid: each for sid, each in statements_of_terraform().items() if sid not in by_choice}


class Terraform:
    """The terraform command in a copy of our folder, with states of its own by name."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        known = {"TF_IN_AUTOMATION": "1", "TF_VAR_endpoint_url": url, "CHECKPOINT_DISABLE": "1"}
        self._environ = {**os.environ, **credentials(url), **known}
        self.run("init", "-backend=false", "-input=false", "-lockfile=readonly", f"-plugin-dir={terraform_plugins()}")

    def run(self, *words: str, stage: str = "prod") -> str:
        """Run the command on the deployment of a stage; return what it said. Fails unless it ends with 0."""
        ran = self.ended(*words, stage=stage)
        assert ran.returncode == 0, f"{words}: {ran.stdout}\n{ran.stderr}"
        return ran.stdout

    def ended(self, *words: str, stage: str = "prod") -> subprocess.CompletedProcess[str]:
        """Run the command on the deployment of a stage, however it ends."""
        return subprocess.run(
            [str(find("terraform")), *words],
            cwd=self.folder,
            env={**self._environ, "TF_VAR_stage": stage},
            capture_output=True,
            text=True,
            timeout=APPLY_SECONDS,
            check=False,
        )

    def changes(self, variables: Mapping[str, str], state: str = "prod") -> list[Any]:  # Any: JSON
        """Return what the plan for other variables of stage prod would change."""
        self.run("plan", "-refresh=false", "-input=false", f"-state={state}", "-out=plan", *given(variables))
        changes = json.loads(self.run("show", "-json", "plan"))["resource_changes"]
        return [each for each in changes if each["change"]["actions"] not in (["no-op"], ["read"])]


def given(variables: Mapping[str, str]) -> list[str]:
    return [word for name, value in variables.items() for word in ("-var", f"{name}={value}")]


@pytest.fixture(scope="module")
def asked() -> list[Request]:
    """Return what AWS is asked, in order."""
    return []


@pytest.fixture(scope="module")
def terraform(tmp_path_factory: pytest.TempPathFactory, asked: list[Request]) -> Iterator[Terraform]:
    """Yield the command in a copy of terraform/, with the provider that the lock file names, and an empty account."""
    folder = tmp_path_factory.mktemp("copy") / "terraform"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*"))
    with moto(seen=asked) as url, pytest.MonkeyPatch.context() as patch:
        for name, value in credentials(url).items():
            patch.setenv(name, value)
        yield Terraform(folder, url)


@pytest.fixture(scope="module")
def applying(terraform: Terraform) -> Iterator[dict[str, Future[None]]]:
    """Yield the deployments as they are made, by stage, which is waiting for the most part.

    Of stage keys there is only what its key encrypts, which loses that key and gets another one.
    """

    def apply(stage: str) -> None:
        terraform.run(*APPLY, f"-state={stage}", *OPEN[stage], stage=stage)

    def change_keys() -> None:
        for key in ("true", "false", "true"):
            words = (*KEY_AND_WHAT_IT_KEEPS, "-var", f"customer_key={key}")
            terraform.run(*APPLY, "-state=keys", *words, stage="keys")

    with ThreadPoolExecutor() as pool:
        yield {**{stage: pool.submit(apply, stage) for stage in OPEN}, "keys": pool.submit(change_keys)}


@pytest.fixture(scope="module")
def applied(terraform: Terraform, applying: dict[str, Future[None]]) -> Outputs:
    """Return the outputs of stage prod, beside which stage dev is deployed."""
    for stage in OPEN:
        applying[stage].result()
    outputs: Outputs = json.loads(terraform.run("output", "-state=prod", "-json"))
    return outputs


@pytest.mark.usefixtures("applying")
def test_the_configuration_is_formatted_and_valid(terraform: Terraform) -> None:
    terraform.run("fmt", "-check", "-recursive")
    terraform.run("validate")


@pytest.mark.usefixtures("applying")
def test_every_network_is_planned(terraform: Terraform) -> None:
    """By the module's own tests: tests/variables.tftest.hcl."""
    module = terraform.folder / "modules" / "sparkanywhere"
    shutil.copy(terraform.folder / ".terraform.lock.hcl", module)
    alone = Terraform(module, "")

    assert "Success! 4 passed, 0 failed." in alone.run("test", "-no-color")


@pytest.mark.usefixtures("applying")
@pytest.mark.parametrize("example", sorted(path.name for path in SOURCE.glob("modules/sparkanywhere/examples/*")))
def test_every_example_is_valid_and_planned(terraform: Terraform, example: str) -> None:
    folder = terraform.folder / "modules" / "sparkanywhere" / "examples" / example
    shutil.copy(terraform.folder / ".terraform.lock.hcl", folder)

    assert " to add, 0 to change, 0 to destroy." in Terraform(folder, terraform.url).run("plan", "-input=false")


def test_outputs_feed_chalice(terraform: Terraform, applied: Outputs) -> None:
    settings = Settings.from_env(environment(applied, {}))
    fargate = read_settings(FargateSettings, environment(applied, {}))

    assert fargate.cluster == "sparkanywhere-prod"
    assert applied["api_endpoint_type"]["value"] == "REGIONAL"
    assert fargate.cluster_arn.endswith(":cluster/sparkanywhere-prod")
    assert len(fargate.subnets.split(",")) == 3
    assert read_settings(DynamoSettings, environment(applied, {})).table == "sparkanywhere-prod-objects"
    token = read_secret(settings.token_from)
    assert len(token) == 48
    assert token not in (terraform.folder / "prod").read_text()


def test_a_namespace_gets_its_own_group_and_role_all_the_way_to_its_tasks(
    terraform: Terraform, applied: Outputs
) -> None:
    """From Terraform's outputs by `make config` to the functions' environment, and from that to RunTask."""
    assert applied
    outputs: Outputs = json.loads(terraform.run("output", "-state=dev", "-json"))
    settings = read_settings(FargateSettings, environment(outputs, {}))
    context = ProviderContext(
        instance="i", state=terraform.folder, cache=terraform.folder, environ={}, settings=settings
    )

    provider = DECLARATION.build(context)

    assert isinstance(provider, FargateProvider)
    found = {
        group: (provider._site.security_group_of(task), provider._site.role_of(task))
        for group in ("team-a", "other")
        for task in [Task(uid="u", group=group, name="pod", containers=())]
    }
    own = (outputs["security_groups"]["value"]["team-a"], outputs["task_roles"]["value"]["team-a"])
    assert found == {"team-a": own, "other": (settings.security_group, settings.task_role)}
    assert client("iam").get_role(RoleName=own[1].rpartition("/")[2])["Role"]["Arn"] == own[1]


@pytest.mark.usefixtures("applied")
def test_roles_are_what_other_tests_take_them_for() -> None:
    execution, task = "sparkanywhere-prod-execution", "sparkanywhere-prod-task"

    assert conditions_of_trust(execution) == conditions_of_trust(task)
    assert conditions_of_trust(task) == [{"StringEquals": {"aws:SourceAccount": ACCOUNT}}]
    assert statements_of(control_plane_policy()) == default_statements()


@pytest.mark.usefixtures("applied")
def test_each_function_has_a_log_group_that_forgets_and_its_alarms() -> None:
    groups = {
        each["logGroupName"]: each.get("retentionInDays") for each in client("logs").describe_log_groups()["logGroups"]
    }
    alarms = {each["AlarmName"] for each in client("cloudwatch").describe_alarms()["MetricAlarms"]}

    assert {f"/aws/lambda/{name}": 14 for name in functions().values()}.items() <= groups.items()
    assert None not in groups.values()
    assert {f"sparkanywhere-prod-{name}-{kind}" for name in functions() for kind in ("errors", "throttles")} <= alarms
    whole = ("schedule-late", "schedule-slow", "dead-letters", "api-errors")
    assert {f"sparkanywhere-prod-{name}" for name in whole} <= alarms


def policies() -> Mapping[str, Document]:
    """Return all policies of stages prod and dev and of Chalice, by what they belong to."""
    roles = [each["RoleName"] for each in client("iam").list_roles()["Roles"]]
    queue = client("sqs").get_queue_url(QueueName="sparkanywhere-prod-dead-letters")["QueueUrl"]
    attributes = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["Policy"])["Attributes"]
    return {
        **{name: inline(name) for name in roles if name.startswith(tuple(f"sparkanywhere-{stage}-" for stage in OPEN))},
        "key": key_policy(),
        "bucket": json.loads(client("s3").get_bucket_policy(Bucket=BUCKET)["Policy"]),
        "queue": json.loads(attributes["Policy"]),
        "chalice": json.loads((ROOT / ".chalice" / "policy.json").read_text()),
    }


def key_policy() -> Document:
    kms = client("kms")
    policy: Document = json.loads(kms.get_key_policy(KeyId=key_id(), PolicyName="default")["Policy"])
    return policy


def key_id() -> str:
    aliases = {each["AliasName"]: each.get("TargetKeyId", "") for each in client("kms").list_aliases()["Aliases"]}
    return str(aliases["alias/sparkanywhere-prod"])


@pytest.mark.usefixtures("applied")
def test_the_linter_finds_no_fault_in_any_policy() -> None:
    found = policies()

    assert {name: list(faults(policy)) for name, policy in found.items()} == {name: [] for name in found}
    wrong = {"Action": ["dynamodb:GetItem", "s3:Read"], "Effect": "Allow", "Resource": "arn:aws:s3:::bucket"}
    assert len(list(faults({"Statement": [wrong]}))) == 3


@pytest.mark.usefixtures("applied")
@pytest.mark.parametrize("policy", ["ReadOnlyAccess", "SecurityAudit", "job-function/ViewOnlyAccess"])
def test_who_may_read_the_account_reads_neither_table_nor_token_nor_staged_files(policy: str) -> None:
    """SimulatePrincipalPolicy would not tell: it does not look at a key's policy."""
    own = managed(policy)

    for context in (TABLE_KEY, TOKEN_KEY):
        assert not may_decrypt(READER, own, context)
    assert not may_get(READER, own, f"arn:aws:s3:::{BUCKET}/staged/0a1b")


@pytest.mark.usefixtures("applied")
def test_the_same_reader_would_read_them_under_keys_of_aws() -> None:
    own = managed("ReadOnlyAccess")

    assert allows([own], "dynamodb:GetItem", TABLE, {})
    assert allows([own], "ssm:GetParameter", PARAMETER, {})
    assert may_get(READER, own, f"arn:aws:s3:::{BUCKET}/event-logs/default/0a1b")  # which a history server needs


@pytest.mark.usefixtures("applied")
def test_the_functions_read_what_is_theirs_and_administrators_the_token() -> None:
    own, administrator = inline("sparkanywhere-prod-control-plane"), managed("AdministratorAccess")

    for context in (TABLE_KEY, TOKEN_KEY):
        assert may_decrypt(ROLE, own, context)
        assert may_decrypt(f"arn:aws:iam::{ACCOUNT}:user/admin", administrator, context)
        assert not may_decrypt(ROLE, own, {})  # not by itself, past the service
        assert not may_decrypt(f"arn:aws:iam::{ACCOUNT}:user/admin", administrator, {})
    other = {**TABLE_KEY, "kms:EncryptionContext:aws:dynamodb:tableName": "sparkanywhere-dev-objects"}
    assert not may_decrypt(ROLE, own, other)
    assert may_get(ROLE, own, f"arn:aws:s3:::{BUCKET}/staged/0a1b")


@pytest.mark.usefixtures("applied")
@pytest.mark.parametrize(
    ("role", "bucket", "key", "allowed"),
    [
        ("sparkanywhere-prod-task", BUCKET, "event-logs/team-a/1", True),  # a namespace without a role of its own
        ("sparkanywhere-prod-task", BUCKET, "staged/1", False),
        ("sparkanywhere-prod-task", DEV_BUCKET, "event-logs/default/1", False),
        ("sparkanywhere-dev-task", DEV_BUCKET, "event-logs/default/1", True),
        ("sparkanywhere-dev-task", DEV_BUCKET, "event-logs/team-a/1", False),
        ("sparkanywhere-dev-task-team-a", DEV_BUCKET, "event-logs/team-a/1", True),
        ("sparkanywhere-dev-task-team-a", DEV_BUCKET, "event-logs/default/1", False),
        ("sparkanywhere-dev-task-team-a", DEV_BUCKET, "staged/1", False),
    ],
)
def test_tasks_see_the_event_logs_of_their_namespace_and_no_staged_file(
    role: str, bucket: str, key: str, allowed: bool
) -> None:
    for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
        assert allows([inline(role)], action, f"arn:aws:s3:::{bucket}/{key}", {}) is allowed


@pytest.mark.parametrize(
    ("stage", "repository", "allowed"),
    [("dev", "dev-public/docker/library/spark", True), ("dev", "other/spark", False), ("prod", "dev-public/a", False)],
)
def test_tasks_bring_public_images_into_ecr_below_their_deployments_prefixes_alone(
    terraform: Terraform, applied: Outputs, stage: str, repository: str, allowed: bool
) -> None:
    assert applied
    arn = f"arn:aws:ecr:{REGION}:repository/{repository}"
    outputs: Outputs = json.loads(terraform.run("output", f"-state={stage}", "-json"))

    for action in ("ecr:BatchImportUpstreamImage", "ecr:CreateRepository"):
        assert allows([inline(f"sparkanywhere-{stage}-execution")], action, arn, {}) is allowed
    addresses = {"dev": {"dev-public": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/dev-public"}}
    assert outputs["pull_through_cache"]["value"] == addresses.get(stage, {})


TASK_ROLES = (
    "sparkanywhere-prod-task",
    "sparkanywhere-prod-execution",
    "sparkanywhere-dev-task",
    "sparkanywhere-dev-task-team-a",
    "sparkanywhere-dev-execution",
)
REGION = f"us-east-1:{ACCOUNT}"
# What somebody tries who runs code in a task: each on the deployment of his own and on the other one.
ATTACKS = {
    "dynamodb:GetItem": "arn:aws:dynamodb:{region}:table/{deployment}-objects",
    "dynamodb:Scan": "arn:aws:dynamodb:{region}:table/{deployment}-objects",
    "dynamodb:PutItem": "arn:aws:dynamodb:{region}:table/{deployment}-objects",
    "ssm:GetParameter": "arn:aws:ssm:{region}:parameter/{deployment}/admin-token",
    "ssm:PutParameter": "arn:aws:ssm:{region}:parameter/{deployment}/admin-token",
    "s3:ListBucketVersions": "arn:aws:s3:::{bucket}",
    "s3:PutBucketPolicy": "arn:aws:s3:::{bucket}",
    "s3:GetObjectVersion": "arn:aws:s3:::{bucket}/staged/0a1b",
    "s3:GetObject": "arn:aws:s3:::{bucket}/staged/0a1b",
    "ecs:RunTask": "arn:aws:ecs:{region}:task-definition/{deployment}-0a1b:1",
    "ecs:DescribeTasks": "arn:aws:ecs:{region}:task/{deployment}/0a1b",
    "ecs:ExecuteCommand": "arn:aws:ecs:{region}:task/{deployment}/0a1b",
    "ecs:StopTask": "arn:aws:ecs:{region}:task/{deployment}/0a1b",
    "ecs:RegisterTaskDefinition": "*",
    "iam:PassRole": "arn:aws:iam::{account}:role/{deployment}/tasks/{deployment}-task",
    "sts:AssumeRole": "arn:aws:iam::{account}:role/{deployment}/tasks/{deployment}-task",
    "lambda:InvokeFunction": "arn:aws:lambda:{region}:function:{deployment}-launch",
    "lambda:GetFunction": "arn:aws:lambda:{region}:function:{deployment}",
    "logs:GetLogEvents": "arn:aws:logs:{region}:log-group:/{deployment}/tasks:log-stream:of-another-pod",
    "sqs:ReceiveMessage": "arn:aws:sqs:{region}:{deployment}-dead-letters",
    "kms:Decrypt": "arn:aws:kms:{region}:key/0a1b",
}


@pytest.mark.usefixtures("applied")
@pytest.mark.parametrize("role", TASK_ROLES)
def test_who_runs_code_in_a_task_gets_nowhere_else(role: str) -> None:
    own, whose = inline(role), ({"deployment": f"sparkanywhere-{stage}"} for stage in OPEN)
    places = [{**each, "bucket": f"{each['deployment']}-{ACCOUNT}-us-east-1"} for each in whose]

    allowed = [
        (action, place["deployment"])
        for place in places
        for action, pattern in ATTACKS.items()
        if allows([own], action, pattern.format(region=REGION, account=ACCOUNT, **place), TABLE_KEY)
    ]

    assert allowed == []
    assert client("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    trust = client("iam").get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert [(each["Principal"], each["Action"]) for each in trust] == [
        ({"Service": "ecs-tasks.amazonaws.com"}, "sts:AssumeRole")
    ]


def managed(name: str) -> Document:
    """Return a policy of AWS's own, as moto has copied it."""
    document: Document = json.loads(aws_managed_policies_data)[name.rpartition("/")[2]]["Document"]
    return document


def may_decrypt(principal: str, own: Document, context: Mapping[str, str]) -> bool:
    """Return whether the key lets a principal decrypt: by its name, or by IAM for those whom IAM lets."""
    key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{key_id()}"
    by_name, by_account = (
        allows([key_policy()], "kms:Decrypt", key, context, principal=each)
        for each in (principal, f"arn:aws:iam::{ACCOUNT}:root")
    )
    return by_name or (by_account and allows([own], "kms:Decrypt", key, context))


def may_get(principal: str, own: Document, resource: str) -> bool:
    """Return whether a principal may read an object: its own policy allows it, and the bucket's does not deny it."""
    bucket: Document = json.loads(client("s3").get_bucket_policy(Bucket=BUCKET)["Policy"])
    context = {"aws:SecureTransport": "true", "aws:PrincipalArn": principal}
    return allows([own, bucket], "s3:GetObject", resource, context)


@pytest.fixture(scope="module")
def destroying(terraform: Terraform, applied: Outputs) -> Iterator[Future[str]]:
    """Yield stage dev as it is destroyed; whoever looks at it comes before, who looks at stage prod may come after."""
    assert applied
    with ThreadPoolExecutor() as pool:
        words = ("destroy", "-auto-approve", "-input=false", "-state=dev", *OPEN["dev"])
        yield pool.submit(terraform.run, *words, stage="dev")


@pytest.mark.usefixtures("applying")
def test_a_stage_of_a_functions_name_is_planned_only_where_it_is_already(terraform: Terraform) -> None:
    words = ("plan", "-input=false", "-no-color", "-state=none", "-var", "deletion_protection=false")

    refused = terraform.ended(*words, stage="launch")
    client("iam").create_role(RoleName="sparkanywhere-launch-control-plane", AssumeRolePolicyDocument="{}")
    terraform.run(*words, stage="launch")

    assert refused.returncode == 1
    assert "There is no sparkanywhere-launch to destroy, and none is made" in " ".join(
        refused.stderr.replace("│", " ").split()
    )


def test_what_may_happen_to_a_living_deployment_is_said_of_every_variable() -> None:
    assert {*KEPT, *ADDED, *TAKEN, ONLY_FOR_EMULATORS} == known_variables().keys()


@pytest.mark.usefixtures("destroying")
def test_what_a_deployment_is_made_with_cannot_change_while_it_lives(terraform: Terraform) -> None:
    ran = terraform.ended("plan", "-refresh=false", "-input=false", "-no-color", "-state=prod", *given(KEPT))

    said = " ".join(ran.stderr.replace("│", " ").split())
    assert ran.returncode == 1
    assert said.count("Error: ") == 1
    for name, value in {**KEPT, "network": "endpoints"}.items():
        assert re.search(rf"{name} [^ ]+( or nat)?, not {value}[ .]", said), said
    assert "That cannot change while it lives: apply another deployment from another folder or workspace" in said


@pytest.mark.usefixtures("destroying")
@pytest.mark.parametrize(("variables", "goes"), [(ADDED, set()), (TAKEN, GOES)], ids=["added", "taken"])
def test_another_value_of_a_variable_destroys_no_data(
    terraform: Terraform, variables: Mapping[str, str], goes: set[str]
) -> None:
    changes = terraform.changes(variables)

    assert {each["type"] for each in changes if "delete" in each["change"]["actions"]} == goes
    assert [each["address"] for each in changes if len(each["change"]["actions"]) > 1] == []  # nothing is replaced


@pytest.mark.usefixtures("destroying")
@pytest.mark.parametrize(("route", "network", "actions"), [("internet", "public", []), ("nat", "nat", [["update"]])])
def test_a_state_from_before_there_was_one_route_out_goes_on_with_its_route(
    terraform: Terraform, route: str, network: str, actions: list[list[str]]
) -> None:
    """A route table takes no second route to the same addresses. To AWS, prod's leads to the internet in both cases."""
    text = (terraform.folder / "prod").read_text()
    assert text.count('"name": "outside"') == 1
    (terraform.folder / "old").write_text(text.replace('"name": "outside"', f'"name": "{route}"'))

    changes = [each for each in terraform.changes({"network": network}, "old") if each["type"] == "aws_route"]

    assert [each["change"]["actions"] for each in changes] == actions


def test_a_key_goes_once_nothing_needs_it_and_comes_with_a_new_token(
    applying: dict[str, Future[None]], asked: list[Request]
) -> None:
    """To AWS a missing key is the one there is, and a parameter is never written without its value."""
    applying["keys"].result()

    calls = [
        (each.header("x-amz-target").rpartition(".")[2], json.loads(each.body))
        for each in asked
        if each.body[:1] == b"{"
    ]
    table = [at for at, (call, body) in enumerate(calls) if call == "UpdateTable" and "SSESpecification" in body]
    token = [
        at for at, (call, body) in enumerate(calls) if call == "PutParameter" and "/sparkanywhere-keys/" in body["Name"]
    ]
    [plain, own] = [calls[at][1]["SSESpecification"] for at in table]
    [first, second, third] = [calls[at][1] for at in token]
    key = {"KeyId": first["KeyId"].rpartition("/")[2], "PendingWindowInDays": 30}
    destroyed = calls.index(("ScheduleKeyDeletion", key))
    assert table[0] < destroyed < table[1]
    assert token[1] < destroyed < token[2]
    assert plain == {"Enabled": False}
    assert own["KMSMasterKeyId"] == third["KeyId"] != first["KeyId"]
    assert second["KeyId"] == "alias/aws/ssm"
    assert len({each["Value"] for each in (first, second, third)} - {""}) == 3


def test_what_is_asked_of_iam_is_what_the_docs_let_a_deployer_do(destroying: Future[str], asked: list[Request]) -> None:
    destroying.result()
    text = (ROOT / "docs" / "aws.md").read_text().partition("<!-- deployer's policy -->\n```json\n")[2]
    policy = json.loads(text.partition("```")[0])

    form = [dict(parse_qsl(each.body.decode(errors="replace"))) for each in list(asked) if each.body[:7] == b"Action="]
    calls = {each["Action"] for each in form if "RoleName" in each}  # what names none, PowerUserAccess allows
    roles = {each["RoleName"] for each in form if each.get("RoleName", "").startswith("sparkanywhere-prod")}

    assert {"CreateRole", "DeleteRole"} < calls
    assert list(faults(policy)) == []
    path = {name: "/sparkanywhere-prod/tasks/" if "-task" in name else "/" for name in roles}
    for role in roles:
        for call in (*calls, "PassRole"):
            assert allows([policy], f"iam:{call}", f"arn:aws:iam::{ACCOUNT}:role{path[role]}{role}", {})


def test_a_deployment_is_destroyed_and_the_other_one_is_whole(terraform: Terraform, destroying: Future[str]) -> None:
    destroying.result()
    terraform.run("plan", "-detailed-exitcode", "-input=false", "-state=prod")  # 2 would be a difference

    assert not json.loads(terraform.run("output", "-state=dev", "-json"))
