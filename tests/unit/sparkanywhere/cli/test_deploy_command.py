"""`sparkanywhere deploy aws`: the variables it takes, and when it keeps them. Terraform is a program of the test."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sparkanywhere.cli import deploy_command, login_command
from sparkanywhere.cli.deploy_command import Deployment, aws
from sparkanywhere.deployment.login import Endpoint
from sparkanywhere.deployment.project_folder import known_variables
from sparkanywhere.deployment.terraform import Terraform
from sparkanywhere.deployment.variables import KINDS
from tests.aws_box.wire import Answer, HttpServer

IDENTITY = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::123456789012:user/me</Arn><UserId>AIDA</UserId><Account>123456789012</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""
PLAN: dict[str, object] = {"resource_changes": [], "planned_values": {}}
FAULT = {
    "@level": "error",
    "type": "diagnostic",
    "diagnostic": {"summary": "Invalid value for variable", "detail": "network is one of public, nat, endpoints."},
}
TERRAFORM = f"""#!/bin/sh
case "$1" in
  version) echo '{{"terraform_version": "1.11.4"}}' ;;
  plan) cat offered.tfvars.json > planned; ! grep -q wrong planned || {{ echo '{json.dumps(FAULT)}'; exit 1; }} ;;
  show) echo '{json.dumps(PLAN)}' ;;
  apply) exit 7 ;;
esac
"""


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the command an empty home, credentials, and that Terraform."""
    (tmp_path / "terraform").write_text(TERRAFORM)
    (tmp_path / "terraform").chmod(0o755)
    sts = HttpServer(lambda _: Answer(200, IDENTITY, [("Content-Type", "text/xml")]))
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_ENDPOINT_URL": sts.url}
    home = {"HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for name, value in {**keys, **home}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    yield
    sts.close()


def deploy(*words: str, answer: str = "n\n") -> Result:
    return CliRunner().invoke(aws, words, input=answer)


def planned(tmp_path: Path) -> dict[str, str]:
    """Return the variables that Terraform has planned with last."""
    folder = tmp_path / ".local/share/sparkanywhere/aws/sparkanywhere-prod/terraform"
    found: dict[str, str] = json.loads((folder / "planned").read_text())
    return {name: value for name, value in found.items() if name not in ("name", "stage", "region")}


def test_variables_are_kept_once_they_are_planned_and_agreed_to(tmp_path: Path) -> None:
    for words, answer in [
        (["--var", "network=nat", "--dry-run"], ""),
        (["--var", "network=nat"], "n\n"),
        (["--var", "network=wrong"], "y\n"),
    ]:
        deploy(*words, answer=answer)
        deploy("--dry-run")
        assert planned(tmp_path) == {}

    deploy("--var", "network=nat", "--var", "alarm_mail=me@example.com", answer="y\n")
    deploy("--dry-run")
    assert planned(tmp_path) == {"network": "nat", "alarm_mail": "me@example.com"}

    deploy("--var", "network=", "--dry-run")
    assert planned(tmp_path) == {"alarm_mail": "me@example.com"}
    deploy("--var", "network=", answer="y\n")
    deploy("--dry-run")
    assert planned(tmp_path) == {"alarm_mail": "me@example.com"}


def test_a_value_that_terraform_refuses_is_told_in_its_one_sentence() -> None:
    refused = deploy("--var", "network=wrong")

    assert refused.exit_code == 1
    assert refused.output.endswith("\nError: network is one of public, nat, endpoints.\n")


@pytest.mark.parametrize(
    ("variable", "why"),
    [
        ("netwrk=nat", "Terraform has no variable netwrk: did you mean network?"),
        ("zzz=1", "Terraform has no variable zzz. It has admin_token, "),
        ("stage=dev", "--var does not take stage: there is --stage."),
        ("network", "--var takes KEY=VALUE, not network."),
        ("namespaces=[a]", 'Error: --var namespaces takes a list in JSON, such as ["a", "b"], not [a].\n'),
        ("namespaces=a", "--var namespaces takes a list in JSON"),
        ("namespaces=[1]", "--var namespaces takes a list in JSON"),
        ("tags=[]", "--var tags takes a map in JSON"),
        ('reserved_concurrency={"resync": "many"}', "--var reserved_concurrency takes a map of numbers in JSON"),
        ("monthly_budget_usd=lots", "Error: --var monthly_budget_usd takes a number, not lots.\n"),
        ("api_burst=NaN", "--var api_burst takes a number, not NaN."),
        ("api_burst=-Infinity", "--var api_burst takes a number, not -Infinity."),
        ("api_burst=1e999", "--var api_burst takes a number, not 1e999."),
        ('reserved_concurrency={"resync": NaN}', "--var reserved_concurrency takes a map of numbers in JSON"),
        ("=x", "--var takes KEY=VALUE, not =x."),
        ("monthly_budget_usd=true", "--var monthly_budget_usd takes a number, not true."),
        ("alarms=maybe", "--var alarms takes true or false, not maybe."),
    ],
)
def test_what_is_no_variable_is_refused_before_anything_is_made(variable: str, why: str, tmp_path: Path) -> None:
    refused = deploy("--var", variable)

    assert refused.exit_code == 1
    assert why in refused.output
    assert not (tmp_path / ".local").exists()


def test_every_variable_of_the_root_is_known() -> None:
    known = known_variables()

    assert known.items() > {"region": "string", "network": "string", "customer_key": "bool"}.items()
    assert set(known.values()) == {"string", *KINDS}


def test_nothing_is_taken_down_where_nothing_is(tmp_path: Path) -> None:
    unknown = deploy("--destroy", "--name", "other", answer="y\n")

    assert unknown.exit_code == 1
    assert "There is no other-prod: " in unknown.output
    assert not (tmp_path / ".local").exists()

    deploy("--dry-run")
    empty = deploy("--destroy", answer="y\n")
    assert empty.exit_code == 1
    assert "There is no sparkanywhere-prod: " in empty.output


class Chalice:
    """Deploys nothing, and Terraform has made nothing: what is said before and afterwards counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, token_from: str) -> None:
        self.deployed: list[str] = []
        found = Endpoint("https://api.example.com/api", token_from)
        monkeypatch.setattr(Terraform, "run", lambda *_: None)
        monkeypatch.setattr(Terraform, "outputs", lambda _: {})
        monkeypatch.setattr(Deployment, "configure", lambda *_: None)
        monkeypatch.setattr(Deployment, "chalice", lambda _, verb: self.deployed.append(verb))
        for module in (deploy_command, login_command):
            monkeypatch.setattr(module, "find_endpoint", lambda *_: found)
        monkeypatch.setattr(login_command, "read_token", lambda _: "token")


def test_a_deployment_without_a_token_says_who_gets_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chalice = Chalice(monkeypatch, token_from="")

    made = deploy("--var", "admin_token=false", answer="y\n")

    assert made.exit_code == 0, made.output
    assert chalice.deployed == ["deploy"]
    before, after = made.output.split("Make it?")
    assert "no administrator's token" in before
    assert "https://api.example.com/api is up, for clients with the token of a service account." in after
    assert not (tmp_path / ".kube").exists()


def test_a_deployment_with_a_token_ends_with_its_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    Chalice(monkeypatch, token_from="arn:aws:ssm:us-east-1:123456789012:parameter/token")

    made = deploy(answer="y\n")

    assert made.exit_code == 0, made.output
    assert "no administrator's token" not in made.output
    assert (tmp_path / ".kube" / "config").exists()


@pytest.mark.parametrize(
    ("region", "why"),
    [
        ("eu-cntral-1", "Error: AWS has no region eu-cntral-1: did you mean eu-central-1?\n"),
        ("nowhere", "Error: AWS has no region nowhere, or this botocore is older than it.\n"),
    ],
)
def test_a_region_that_aws_has_not_is_refused_before_anything_is_asked(region: str, why: str, tmp_path: Path) -> None:
    refused = deploy("--region", region, "--dry-run")

    assert (refused.exit_code, refused.output) == (1, why)
    assert not (tmp_path / ".local").exists()


@pytest.mark.parametrize(("environ", "region"), [({}, "us-east-1"), ({"AWS_REGION": "eu-west-1"}, "eu-west-1")])
def test_a_region_that_nobody_names_is_terraforms_own(
    environ: dict[str, str], region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    assert f"sparkanywhere-prod in {region}, account 123456789012" in deploy("--dry-run").output


@pytest.mark.parametrize("option", ["--name", "--stage"])
@pytest.mark.parametrize("value", ["../../../../evil", "a b/../c", "/abs", "PROD", "-x"])
def test_a_name_that_leads_out_of_the_folder_of_deployments_makes_nothing(
    option: str, value: str, tmp_path: Path
) -> None:
    before = set(tmp_path.rglob("*"))

    refused = deploy(f"{option}={value}", "--dry-run")

    assert refused.exit_code == 2
    assert "it takes lower-case letters, digits and dashes" in refused.output
    assert set(tmp_path.rglob("*")) == before


def test_a_protected_deployment_goes_once_destroy_is_told_so_beside_it(tmp_path: Path) -> None:
    deploy("--var", "deletion_protection=true", answer="y\n")  # its apply fails here, after the yes

    refused = deploy("--destroy", answer="y\n")
    let_go = deploy("--destroy", "--var", "deletion_protection=false", answer="n\n")

    assert "deletion_protection was set" in refused.output
    assert "deletion_protection was set" not in let_go.output
    assert tmp_path.joinpath(".local").exists()
