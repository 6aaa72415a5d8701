"""terraform/ by the real Terraform: formatted, valid, and applied, planned again and destroyed on an AWS emulator.

What this cannot prove: that AWS's own limits and IAM take it; the emulator checks neither.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from chalicelib.config import Settings, read_settings
from chalicelib.providers.fargate.declaration import FargateSettings
from chalicelib.secret_value import read_secret
from chalicelib.storage.dynamodb.declaration import DynamoSettings
from sparkanywhere.cli.stage_config import environment
from tests.aws_box.role import Statement, statements_of, statements_of_terraform
from tests.tools import find, terraform_plugins

SOURCE = Path(__file__).parents[2] / "terraform"
ACCOUNT = "123456789012"  # the emulator's
APPLY = ("apply", "-auto-approve", "-input=false")
# What each stage's deployment is applied with: one to keep, and one that may be destroyed again.
OPEN = {"prod": (), "dev": ("-var", "deletion_protection=false", "-var", 'namespaces=["team-a"]')}
APPLY_SECONDS = 240  # the provider itself waits for buckets' lifecycle rules, a minute at least

pytestmark = [pytest.mark.terraform, pytest.mark.slow, pytest.mark.timeout(600)]


def role(name: str) -> Any:  # Any: boto3 makes its clients at run time
    make: Any = boto3.resource
    return make("iam", region_name="us-east-1").Role(name)


def conditions_of_trust(name: str) -> list[Any]:  # Any: JSON
    """Return under which conditions a role may be taken on."""
    return [each.get("Condition") for each in role(name).assume_role_policy_document["Statement"]]


def control_plane_policy() -> Any:  # Any: JSON
    """Return the policy as Terraform has written it, open for any account, region and name of a bucket."""
    document = role("sparkanywhere-prod-control-plane").Policy("control-plane").policy_document
    text = json.dumps(document).replace("ArnEquals", "ArnLike")
    text = text.replace(f"sparkanywhere-prod-{ACCOUNT}-us-east-1", "sparkanywhere-prod-*")
    return json.loads(text.replace("us-east-1", "*").replace(ACCOUNT, "*"))


def default_statements() -> dict[str, Statement]:
    """Return what tests read in control_plane.tf, without what only a variable brings."""
    by_choice = ("FilesOfJobs", "Trace")
    return {sid: each for sid, each in statements_of_terraform().items() if sid not in by_choice}


class Terraform:
    """The terraform command in a copy of our folder, with states of its own by name."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.folder = folder
        self._environ = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "TF_IN_AUTOMATION": "1",
            "TF_VAR_endpoint_url": endpoint,
            "CHECKPOINT_DISABLE": "1",
        }

    def run(self, *words: str, stage: str = "prod") -> str:
        """Run the command on the deployment of a stage; return what it said. Fails unless it ends with 0."""
        ran = subprocess.run(
            [str(find("terraform")), *words],
            cwd=self.folder,
            env={**self._environ, "TF_VAR_stage": stage, "TF_DATA_DIR": str(self.folder / ".terraform")},
            capture_output=True,
            text=True,
            timeout=APPLY_SECONDS,
            check=False,
        )
        assert ran.returncode == 0, f"{words}: {ran.stdout}\n{ran.stderr}"
        return ran.stdout


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def terraform(tmp_path: Path, endpoint: str) -> Terraform:
    """Return the command in a copy of terraform/, with the provider that the lock file names."""
    folder = tmp_path / "terraform"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*"))
    made = Terraform(folder, endpoint)
    made.run("init", "-backend=false", "-input=false", "-lockfile=readonly", f"-plugin-dir={terraform_plugins()}")
    return made


def test_the_configuration_is_formatted_and_valid(terraform: Terraform) -> None:
    terraform.run("fmt", "-check", "-recursive")
    terraform.run("validate")


def test_two_deployments_of_an_account_are_stable_feed_chalice_and_do_not_touch_each_other(
    terraform: Terraform, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda stage: terraform.run(*APPLY, f"-state={stage}", *OPEN[stage], stage=stage), OPEN))
    outputs: dict[str, Any] = json.loads(terraform.run("output", "-state=prod", "-json"))
    terraform.run("destroy", "-auto-approve", "-input=false", "-state=dev", *OPEN["dev"], stage="dev")
    terraform.run("plan", "-detailed-exitcode", "-input=false", "-state=prod")  # 2 would be a difference

    settings = Settings.from_env(environment(outputs))
    fargate = read_settings(FargateSettings, environment(outputs))

    assert not json.loads(terraform.run("output", "-state=dev", "-json"))
    assert fargate.cluster == "sparkanywhere-prod"
    assert outputs["api_endpoint_type"]["value"] == "REGIONAL"
    assert fargate.cluster_arn.endswith(":cluster/sparkanywhere-prod")
    assert len(fargate.subnets.split(",")) == 3
    assert read_settings(DynamoSettings, environment(outputs)).table == "sparkanywhere-prod-objects"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    token = read_secret(settings.token_from)
    assert len(token) == 48
    assert token not in (terraform.folder / "prod").read_text()
    execution, task = "sparkanywhere-prod-execution", "sparkanywhere-prod-task"
    assert conditions_of_trust(execution) == conditions_of_trust(task)
    assert conditions_of_trust(task) == [{"StringEquals": {"aws:SourceAccount": ACCOUNT}}]
    assert statements_of(control_plane_policy()) == default_statements()


@pytest.mark.parametrize("network", ["public", "nat", "endpoints"])
def test_every_kind_of_network_can_be_planned(terraform: Terraform, network: str) -> None:
    budget = ["-var", "monthly_budget_usd=50", "-var", "budget_mail=me@example.com"]

    planned = terraform.run("plan", "-input=false", "-var", f"network={network}", *budget)

    assert "Plan:" in planned
    assert ("aws_nat_gateway" in planned) is (network == "nat")
    assert ('"PRIVATE"' in planned) is (network == "endpoints")
