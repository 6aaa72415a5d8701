"""What is read in Terraform's plan."""

from __future__ import annotations

from typing import Any

from sparkanywhere.deployment.plan import read_plan


def change(kind: str, *actions: str, mode: str = "managed") -> dict[str, Any]:
    return {"type": kind, "mode": mode, "change": {"actions": list(actions)}}


def planned(kind: str, name: str = "this", **values: Any) -> dict[str, Any]:
    return {"type": kind, "name": name, "mode": "managed", "values": values}


def test_what_is_replaced_counts_as_deleted_and_created_and_what_is_only_read_not_at_all() -> None:
    changes = [
        change("aws_vpc", "create"),
        change("aws_subnet", "delete", "create"),
        change("aws_kms_key", "no-op"),
        change("aws_iam_policy_document", "read", mode="data"),
        change("aws_ecs_cluster", "update"),
    ]

    plan = read_plan({"resource_changes": changes, "planned_values": {}})

    assert plan.created == {"aws_vpc": 1, "aws_subnet": 1}
    assert (plan.updated, plan.deleted) == ({"aws_ecs_cluster": 1}, {"aws_subnet": 1})
    assert plan.monthly_usd == {}
    assert read_plan({"resource_changes": changes[2:4], "planned_values": {}}).is_empty


def test_standing_costs_are_those_of_all_that_is_there_in_modules_too() -> None:
    endpoints = [planned("aws_vpc_endpoint", vpc_endpoint_type=kind) for kind in ("Interface", "Interface", "Gateway")]
    zones = [planned("aws_subnet", "tasks"), planned("aws_subnet", "tasks"), planned("aws_subnet", "nat")]
    module = {"resources": [planned("aws_kms_key"), *endpoints, *zones]}
    document = {"planned_values": {"root_module": {"resources": [planned("aws_eip")], "child_modules": [module]}}}

    assert read_plan(document).monthly_usd == {"aws_eip": 3.65, "aws_kms_key": 1.0, "aws_vpc_endpoint": 2 * 2 * 7.30}
