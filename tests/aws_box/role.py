"""What the control plane's role allows, as Terraform and Chalice's own policies say it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "terraform" / "modules" / "sparkanywhere"

BUCKET = "sparkanywhere-prod-????????????-??-*"  # of any account, in any region
# What Terraform's expressions come to with its defaults, in an account and a region that Chalice's policies leave open.
VALUES = {
    "aws_cloudwatch_log_group.tasks.arn": "arn:aws:logs:*:*:log-group:/sparkanywhere-prod/tasks",
    "aws_dynamodb_table.objects.arn": "arn:aws:dynamodb:*:*:table/sparkanywhere-prod-objects",
    "aws_ecs_cluster.this.arn": "arn:aws:ecs:*:*:cluster/sparkanywhere-prod",
    "aws_iam_role.execution.arn": "arn:aws:iam::*:role/sparkanywhere-prod-execution",
    "aws_s3_bucket.files.arn": f"arn:aws:s3:::{BUCKET}",
    "aws_sqs_queue.dead_letters.arn": "arn:aws:sqs:*:*:sparkanywhere-prod-dead-letters",
    "bucket": "a-bucket-of-jobs",
    "local.account": "*",
    "local.definition": "arn:aws:ecs:*:*:task-definition/sparkanywhere-prod-????????????????",
    "local.deployment": "sparkanywhere-prod",
    "local.partition": "aws",
    "local.region": "*",
    "local.task_role_path": "/sparkanywhere-prod/tasks/",
    "statement.value": "arn:aws:ssm:*:*:parameter/sparkanywhere-prod/admin-token",
}
OPERATORS: dict[str, Callable[[str, str], bool]] = {"StringEquals": str.__eq__, "ArnLike": fnmatchcase}
_LIST = r"\s*=\s*\[(.*?)\]"
_ITEM = re.compile(r'"([^"]*)"|(?<!in )\b((?:aws_\w+\.\w+\.arn|statement\.value))\b')
_CONDITION = re.compile(rf'condition {{\s*test\s*=\s*"(\w+)"\s*variable\s*=\s*"([\w:]+)"\s*values{_LIST}', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Statement:
    """One Allow; a condition is an operator, a key, and the values of which one must match."""

    actions: frozenset[str]
    resources: frozenset[str]
    conditions: frozenset[tuple[str, str, frozenset[str]]] = frozenset()

    def allows(self, action: str, resource: str, context: Mapping[str, str]) -> bool:
        """Return whether a request is allowed; a key that it does not have matches nothing."""
        return (
            action in self.actions
            and any(fnmatchcase(resource, pattern) for pattern in self.resources)
            and all(
                key in context and any(OPERATORS[operator](context[key], value) for value in values)
                for operator, key, values in self.conditions
            )
        )


def statements_of_terraform() -> dict[str, Statement]:
    """Return the statements of Terraform's policy by their sid. Raises KeyError for an unknown expression."""
    text = (MODULE / "control_plane.tf").read_text()
    document = text.partition('data "aws_iam_policy_document" "control_plane" {')[2].partition("\n}\n")[0]
    parts = re.split(r'\bsid\s*=\s*"(\w+)"', document)[1:]
    assert document.count("actions ") == len(parts) // 2, "a statement without a sid"
    return {sid: _statement(body) for sid, body in zip(parts[::2], parts[1::2], strict=True)}


def chalice_config() -> dict[str, Any]:  # Any: JSON
    """Return .chalice/config.json."""
    config: dict[str, Any] = json.loads((ROOT / ".chalice" / "config.json").read_text())
    return config


def statements_of_chalice() -> dict[str, Statement]:
    """Return the statements of the policy that Chalice's stages share by their sid."""
    policy = ROOT / ".chalice" / chalice_config()["iam_policy_file"]
    return statements_of(json.loads(policy.read_text()))


def statements_of(policy: Any) -> dict[str, Statement]:  # Any: JSON
    """Return the statements of a policy by their sid."""
    found = {}
    for each in policy["Statement"]:
        assert each["Effect"] == "Allow"
        conditions = frozenset(
            (operator, key, _several(values))
            for operator, keys in each.get("Condition", {}).items()
            for key, values in keys.items()
        )
        found[each["Sid"]] = Statement(_several(each["Action"]), _several(each["Resource"]), conditions)
    return found


def functions() -> dict[str, str]:
    """Return what Lambda calls the functions of Terraform's one list of them, by Chalice's names."""
    listed = re.search(r"for function in \[(.*?)\]", (MODULE / "names.tf").read_text(), re.DOTALL)
    assert listed is not None
    own = {name: f"sparkanywhere-prod-{name}" for name in re.findall(r"\w+", listed[1])}
    return {**own, "api_handler": "sparkanywhere-prod"}


def of_terraform() -> set[str]:
    """Return the actions that Terraform's policy of the control plane allows."""
    return _actions(statements_of_terraform().values())


def of_chalice() -> set[str]:
    """Return the actions that the policy of Chalice's stages allows."""
    return _actions(statements_of_chalice().values())


def _actions(statements: Iterable[Statement]) -> set[str]:
    return {action for each in statements for action in each.actions}


def _several(values: str | list[str]) -> frozenset[str]:
    return frozenset([values] if isinstance(values, str) else values)


def _statement(body: str) -> Statement:
    lists = {name: _values(re.search(rf"\b{name}{_LIST}", body, re.DOTALL)) for name in ("actions", "resources")}
    # To IAM both operators are one and the same; where the account is left open, only ArnLike reads right.
    conditions = frozenset(
        ("ArnLike" if each[1] == "ArnEquals" else each[1], each[2], _items(each[3]))
        for each in _CONDITION.finditer(body)
    )
    assert len(conditions) == body.count("condition {"), "a condition that is written in another way"
    return Statement(lists["actions"], lists["resources"], conditions)


def _values(found: re.Match[str] | None) -> frozenset[str]:
    assert found is not None, "a statement without actions or resources"
    return _items(found[1])


def _items(text: str) -> frozenset[str]:
    found = (quoted or f"${{{bare}}}" for quoted, bare in _ITEM.findall(text))
    items = (each.replace("${name}", name) for each in found for name in functions().values())
    return frozenset(re.sub(r"\$\{([^}]*)\}", lambda each: VALUES[each[1]], item) for item in items)
