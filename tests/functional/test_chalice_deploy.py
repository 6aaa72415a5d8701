"""`chalice deploy` on an AWS emulator: from one clone and from another, again, in another region's shell, and deleted.

What this cannot prove: that AWS takes the API's definition (tests/aws_box/moto_server.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from sparkanywhere.cli.stage_config import STREAM_VARIABLES
from tests.aws_box.moto_server import credentials, moto
from tests.aws_box.package import ACCOUNT, CHALICE, CLUSTER_ARN, make_project, outputs

DEPLOY_SECONDS = 240
ASSUME = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
FUNCTIONS = {f"sparkanywhere-prod{each}" for each in ("", "-task_events", "-resync", "-launch", "-stream")}
STOCK = (sys.executable, "-c", "import sys; from chalice.cli import main; sys.argv[0] = 'chalice'; sys.exit(main())")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Emulate AWS; yield a list of paths, which it refuses."""
    refused: list[str] = []
    with moto(refused) as url:
        for name, value in credentials(url).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
        client("iam").create_role(RoleName="control-plane", AssumeRolePolicyDocument=json.dumps(ASSUME))
        yield refused


def chalice(clone: Path, *words: str, command: tuple[str, ...] = (CHALICE,), code: int = 0, **environ: str) -> str:
    """Run the command on stage prod; return what it said."""
    ran = subprocess.run(
        [*command, *words, "--stage", "prod"],
        cwd=clone,
        env={**os.environ, "PYTHONPATH": "", **environ},
        capture_output=True,
        text=True,
        timeout=DEPLOY_SECONDS,
        check=False,
    )
    assert ran.returncode == code, f"{ran.stdout}\n{ran.stderr}"
    return ran.stdout + ran.stderr


def client(service: str, region: str = "us-east-1") -> Any:  # Any: boto3 makes its clients at run time
    make: Any = boto3.client
    return make(service, region_name=region)


def functions(region: str = "us-east-1") -> dict[str, Any]:
    """Return the deployed functions by name."""
    return {each["FunctionName"]: each for each in client("lambda", region).list_functions()["Functions"]}


def apis(region: str = "us-east-1") -> dict[str, str]:
    """Return the names of the APIs by their ids."""
    return {each["id"]: each["name"] for each in client("apigateway", region).get_rest_apis()["items"]}


def left(region: str = "us-east-1") -> list[Any]:
    """Return what there is of functions, APIs, rules and parameters."""
    rules, parameters = client("events", region).list_rules(), client("ssm", region).describe_parameters()
    return [*functions(region), *apis(region), *rules["Rules"], *parameters["Parameters"]]


def clone(folder: Path, **names: str) -> Path:
    folder.mkdir()
    return make_project(folder, outputs(**names))


@pytest.mark.usefixtures("aws")
def test_two_clones_deploy_one_api_and_either_deletes_all_of_it(tmp_path: Path) -> None:
    alice, bob = clone(tmp_path / "alice"), clone(tmp_path / "bob")

    said = chalice(alice, "deploy")
    first, api = functions(), apis()
    again = chalice(bob, "deploy", command=STOCK)

    assert list(api.values()) == ["sparkanywhere-prod"]
    assert "execute-api" in said
    assert (apis(), set(functions())) == (api, set(first))
    assert again.splitlines()[-1] == said.splitlines()[-1]
    url = chalice(alice, "url")
    assert url == chalice(bob, "url")
    assert url.strip() in again
    assert_whole(first)
    assert_complete(first, next(iter(api)))
    chalice(bob, "delete")
    assert left() == []
    chalice(alice, "delete")  # of what is gone


def assert_complete(deployed: dict[str, Any], api: str) -> None:
    """Fail unless nothing that fails is lost, requests have a limit, and all of it is in the bill by its tag."""
    queue, tag = f"arn:aws:sqs:us-east-1:{ACCOUNT}:sparkanywhere-prod-dead-letters", "sparkanywhere:deployment"
    events, functions, gateway = client("events"), client("lambda"), client("apigateway")
    for rule in events.list_rules()["Rules"]:
        [target] = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        assert (target["Id"], target["DeadLetterConfig"]) == ("1", {"Arn": queue})
        assert {tag: "sparkanywhere-prod"}.items() <= {
            each["Key"]: each["Value"] for each in events.list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"]
        }.items()
    for name, function in deployed.items():
        kept = functions.get_function_event_invoke_config(FunctionName=name)["DestinationConfig"]["OnFailure"]
        assert kept == {"Destination": queue}
        tags = functions.list_tags(Resource=function["FunctionArn"])["Tags"]
        assert tags[tag] == "sparkanywhere-prod"
    reserved = functions.get_function_concurrency(FunctionName="sparkanywhere-prod-resync")
    assert reserved["ReservedConcurrentExecutions"] == 2
    for name in ("sparkanywhere-prod", "sparkanywhere-prod-stream"):
        policy = json.loads(functions.get_policy(FunctionName=name)["Policy"])
        assert [each["Principal"]["Service"] for each in policy["Statement"]] == ["apigateway.amazonaws.com"]
        assert f":{api}/*" in policy["Statement"][0]["Condition"]["ArnLike"]["AWS:SourceArn"]
    [streamed] = [each for each in gateway.get_resources(restApiId=api)["items"] if each["path"] == "/stream/{proxy+}"]
    [integration] = [each["methodIntegration"] for each in streamed["resourceMethods"].values()]
    assert integration["uri"].endswith(":function:sparkanywhere-prod-stream/response-streaming-invocations")
    stage = gateway.get_stage(restApiId=api, stageName="api")
    limits = stage["methodSettings"]["*/*"]
    assert (limits["throttlingRateLimit"], limits["throttlingBurstLimit"]) == (500, 1000)
    assert stage["tags"][tag] == "sparkanywhere-prod"
    whole = gateway.get_tags(resourceArn=f"arn:aws:apigateway:us-east-1::/restapis/{api}")["tags"]
    assert whole[tag] == "sparkanywhere-prod"


def assert_whole(deployed: dict[str, Any]) -> None:
    api = deployed["sparkanywhere-prod"]
    others = ("task_events", "resync", "launch", "stream")
    assert set(deployed) == {"sparkanywhere-prod", *(f"sparkanywhere-prod-{name}" for name in others)}
    assert (api["Handler"], api["MemorySize"], api["Timeout"], api["Architectures"]) == ("app.app", 512, 29, ["arm64"])
    timeouts = {name: deployed[f"sparkanywhere-prod-{name}"]["Timeout"] for name in others}
    assert timeouts == {"task_events": 29, "resync": 60, "launch": 900, "stream": 900}
    assert deployed["sparkanywhere-prod-stream"]["Environment"]["Variables"].items() >= STREAM_VARIABLES.items()
    variables = api["Environment"]["Variables"]
    assert variables["SPARKANYWHERE_PROVIDER"] == "fargate"
    assert variables["SPARKANYWHERE_SUBNETS"] == "us-east-1a=subnet-a"
    rules = client("events").list_rules()["Rules"]
    assert {bool(rule.get("EventPattern")) for rule in rules} == {True, False}  # task events, and the schedule
    assert [CLUSTER_ARN in rule["EventPattern"] for rule in rules if rule.get("EventPattern")] == [True]


@pytest.mark.usefixtures("aws")
def test_deployments_of_two_names_do_not_touch_each_other_whatever_the_shells_region(tmp_path: Path) -> None:
    first, second = clone(tmp_path / "first"), clone(tmp_path / "second", name="team-b", region="eu-west-1")
    third = clone(tmp_path / "third", name="team-c")

    chalice(first, "deploy")
    told = chalice(second, "deploy", AWS_DEFAULT_REGION="us-east-1")
    chalice(third, "deploy", AWS_REGION="eu-west-1")

    assert "In eu-west-1, where Terraform has made stage prod, not in us-east-1." in told
    assert list(apis("eu-west-1").values()) == ["team-b-prod"]
    assert {name.removesuffix("-prod") for name in functions("eu-west-1")} >= {"team-b"}
    assert all(name.startswith("team-b-prod") for name in functions("eu-west-1"))
    chalice(second, "delete")
    chalice(third, "delete")
    assert left("eu-west-1") == []
    assert list(apis().values()) == ["sparkanywhere-prod"]
    assert set(functions()) == FUNCTIONS


def test_a_deployment_that_was_cut_off_is_gone_on_with_and_can_be_deleted(tmp_path: Path, aws: list[str]) -> None:
    project = clone(tmp_path / "clone")
    aws.append("/deployments")  # the last step, when the API is there

    refused = chalice(project, "deploy", code=1)

    assert refused.splitlines()[-1].startswith("Error: While deploying your chalice application")
    chalice(project, "delete")
    assert left() == []
    chalice(project, "deploy", code=1)
    client("ssm").delete_parameter(Name="/sparkanywhere-prod/deployed")  # as where it was killed before it wrote that
    aws.clear()
    chalice(project, "deploy")
    assert len(apis()) == 1
    chalice(project, "delete")
    assert left() == []


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("command", [(CHALICE,), STOCK])
def test_what_cannot_work_is_refused_in_one_sentence(tmp_path: Path, command: tuple[str, ...]) -> None:
    bare, other = clone(tmp_path / "bare"), clone(tmp_path / "other")
    config = bare / ".chalice" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "stages": {"prod": {}}}))
    theirs = other / ".chalice" / "config.json"
    theirs.write_text(theirs.read_text().replace("123456789012:cluster", "210987654321:cluster"))

    for words in (("deploy",), ("package", "out"), ("delete",)):
        assert chalice(bare, *words, command=command, code=1) == (
            "Error: Stage prod is not set up: run `terraform init` and `terraform apply` in terraform/, and then "
            "`python -m sparkanywhere.cli.stage_config --stage prod`.\n"
        )
    said = chalice(other, "deploy", command=command, code=1)
    assert said == ("Error: Stage prod is in the account 210987654321, and these credentials are for 123456789012.\n")
    nobody = chalice(
        other,
        "deploy",
        command=command,
        code=1,
        AWS_ACCESS_KEY_ID="",
        AWS_SECRET_ACCESS_KEY="",
        HOME=str(tmp_path),
        AWS_EC2_METADATA_DISABLED="true",
    )
    assert nobody == "Error: No AWS credentials: `aws configure`, `aws sso login`, or AWS_PROFILE.\n"
    assert left() == []
