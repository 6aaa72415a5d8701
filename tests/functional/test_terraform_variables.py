"""What each variable of terraform/ refuses, by a sentence that names it, before anything is made; and what it takes.

By the real Terraform in a folder of variables.tf alone, where a plan needs no provider.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from sparkanywhere.deployment.project_folder import known_variables
from sparkanywhere.deployment.terraform import diagnosed
from tests.aws_box.role import MODULE
from tests.tools import find

pytestmark = pytest.mark.terraform

ANY_TEXT = {"region", "endpoint_url"}  # provider.tf's
BUDGET = "monthly_budget_usd"  # not looked at while budget_mail, which it needs, is wrong
MAILS = ["nobody", "a@b c", "@"]
BUCKETS = [["s3://files"], ["data/part"], ["Data"], ["ok", ""]]
REFUSED: dict[str, list[Any]] = {  # Any: JSON
    "name": ["Team_A", "a", "a--b", "-ab", "ab-", "1a", "a" * 25],
    "stage": ["launch", "resync", "stream", "prod-eu", "", "Prod", "1a", "a" * 11],
    "tags": [{"aws:mine": "1"}, {"AWS:mine": "1"}, {"project": "x"}, {f"t{n}": "" for n in range(41)}],
    "vpc_cidr": [
        "10.0.0.0/24",
        "10.0.0.0/8",
        "10.32.0.1/16",
        "10.32.5.0/16",
        "10.0.8.0/20",
        "10.0.0.0",
        "10.0.0.256/16",
        "fd00::/16",
        "0.0.0.0/16",
        "127.0.0.0/16",
        "169.254.0.0/16",
        "224.0.0.0/16",
        "255.0.0.0/16",
        "10.0.0.0/16 ",
        "",
    ],
    "availability_zones": [2.5, 0, 5],
    "network": ["private", "", "NAT"],
    "namespaces": [["team-a", "team-a"], ["Team"], ["-a"], [""], ["a" * 23]],
    "log_retention_days": [10, 0, -1],
    "staged_file_days": [0, 1.5],
    "event_log_days": [1.5, 0],
    "job_buckets": BUCKETS,
    "data_buckets": BUCKETS,
    "pull_through_cache": [
        {"hub": "registry-1.docker.io"},
        *({prefix: "quay.io"} for prefix in ("a", "Quay", "quay/", "a--b", "a" * 31)),
    ],
    "budget_mail": MAILS,
    "alarm_mail": MAILS,
    "alarm_topics": [["topic"], ["arn:aws:sqs:eu-west-1:1:a"], ["arn:aws:sns:eu-west-1:1:a"] * 5],
    "admin_token_version": [0, 1.5],
    "reserved_concurrency": [{"resync": 0.5}, {"resync": 0}],
    "api_requests_a_second": [0, 10_001],
    "api_burst": [0, 5_001, 1.5],
}
TAKEN: list[Mapping[str, Any]] = [
    {"name": "a1", "stage": "p", "vpc_cidr": "10.0.16.0/20", "namespaces": ["a", "b-1"]},
    {"name": "a" * 24, "stage": "p" * 10, "vpc_cidr": "172.31.0.0/16", "tags": {"team": "a"}, "api_burst": 5_000},
    {"pull_through_cache": {"ecr-public": "public.ecr.aws", "q1": "quay.io", "k8s_io": "registry.k8s.io"}},
    {"stage": "launch", "deletion_protection": False},  # what is made can be destroyed
    {"monthly_budget_usd": 0.5, "budget_mail": "a@b.example", "alarm_mail": "a@b.example"},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("variables")
    (made / "variables.tf").write_text((MODULE / "variables.tf").read_text())
    return made


def errors(folder: Path, values: Mapping[str, Any]) -> list[str]:
    """Return what a plan with these values says against them."""
    (folder / "terraform.tfvars.json").write_text(json.dumps(values))
    ran = subprocess.run(
        [str(find("terraform")), "plan", "-json", "-input=false"],
        cwd=folder,
        env={**os.environ, "CHECKPOINT_DISABLE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = diagnosed(ran.stdout)
    assert (ran.returncode == 0) is (not found), ran.stdout + ran.stderr
    return found


def test_each_wrong_value_is_refused_by_a_sentence_that_names_its_variable(folder: Path) -> None:
    """All variables at once, as often as the one with most values needs."""
    for values in zip_longest(*REFUSED.values()):
        wrong = {name: value for name, value in zip(REFUSED, values, strict=True) if value is not None}

        said = sorted(each.partition(" ")[0] for each in errors(folder, wrong))

        assert said == sorted(wrong), wrong


def test_every_variable_that_can_be_wrong_has_wrong_values() -> None:
    switches = {name for name, kind in known_variables().items() if kind == "bool"}

    assert known_variables().keys() - switches - ANY_TEXT == REFUSED.keys() | {BUDGET}


@pytest.mark.parametrize("values", TAKEN)
def test_right_values_are_taken(folder: Path, values: Mapping[str, Any]) -> None:
    assert errors(folder, values) == []


def test_a_variable_that_needs_another_says_so(folder: Path) -> None:
    assert errors(folder, {BUDGET: -1}) == ["monthly_budget_usd takes an amount in US dollars, or 0 for no alarm."]
    assert errors(folder, {BUDGET: 50}) == ["A budget alarm needs budget_mail."]
    assert errors(folder, {"alarm_mail": "a@b.example", "alarms": False}) == ["alarm_mail needs alarms."]
