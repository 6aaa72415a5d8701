"""AWS' own policy ReadOnlyAccess reads the account, and opens nothing that makes its holder an administrator of ours.

The policy is moto's copy. What its holder reads of a deployment that runs jobs, tests/functional/test_fargate_pods.py
goes through; what is left are the table and the parameter, which Terraform puts under a key of the customer's own.
"""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from functools import cache

import pytest
from moto.iam.aws_managed_policies import aws_managed_policies_data

from sparkanywhere.cli.stage_config import SETTINGS
from tests.aws_box.role import MODULE

READS = [
    "dynamodb:GetItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "ecs:DescribeTaskDefinition",
    "ecs:DescribeTasks",
    "lambda:GetFunction",
    "logs:GetLogEvents",
    "sqs:ReceiveMessage",
    "ssm:GetParameter",
    "xray:BatchGetTraces",
]
OPENS = [
    "ecs:ExecuteCommand",  # a shell in a task, where its credentials are
    "ecs:RunTask",
    "iam:PassRole",
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "lambda:InvokeFunction",
    "ssm:StartSession",
    "sts:AssumeRole",
]
CRYPTOGRAPHY = ("kms:Decrypt", "kms:Encrypt", "kms:CreateGrant", "kms:GenerateDataKey", "kms:ReEncryptFrom")
KEY = (MODULE / "key.tf").read_text()


@cache
def patterns() -> tuple[str, ...]:
    """Return the actions of ReadOnlyAccess."""
    document = json.loads(aws_managed_policies_data)["ReadOnlyAccess"]["Document"]
    return tuple(action for statement in document["Statement"] for action in statement["Action"])


@pytest.mark.parametrize(("action", "allowed"), [*((each, True) for each in READS), *((each, False) for each in OPENS)])
def test_a_reader_reads_and_does_no_more(action: str, allowed: bool) -> None:
    assert any(fnmatchcase(action, pattern) for pattern in patterns()) is allowed


def test_table_and_administrators_token_are_under_the_key() -> None:
    table = (MODULE / "storage.tf").read_text().partition('resource "aws_dynamodb_table"')[2].partition("\n}\n")[0]
    token = (MODULE / "token.tf").read_text().partition('resource "aws_ssm_parameter"')[2]

    assert re.search(r"kms_key_arn\s+= one\(aws_kms_key\.this\[\*\]\.arn\)", table)
    assert re.search(r"key_id\s+= var\.customer_key \? aws_kms_key\.this\[0\]\.arn : ", token)


def test_the_key_serves_the_functions_and_those_alone_whom_iam_allows_its_cryptography() -> None:
    uses, _, policy = KEY.partition('data "aws_iam_policy_document" "key"')
    administer, _, uses_in_policy = policy.partition('dynamic "statement"')
    principals = set(re.findall(r"principal = (\S+)", uses))

    # "root" in a key's policy is whoever has the action by IAM: of ReadOnlyAccess above, nobody
    assert principals == {"local.root", "aws_iam_role.control_plane.arn"}
    assert 'variable = "kms:ViaService"' in uses_in_policy
    granted = re.findall(r'"(kms:[\w*]+)"', administer)
    assert [action for action in CRYPTOGRAPHY for pattern in granted if fnmatchcase(action, pattern)] == []


def test_the_functions_configuration_names_the_administrators_token_and_does_not_hold_it() -> None:
    assert "TOKEN" not in SETTINGS
    assert SETTINGS["TOKEN_FROM"] == "admin_token_arn"
