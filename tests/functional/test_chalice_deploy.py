"""`chalice deploy` as `make deploy` runs it, on an AWS emulator: functions, API, rule and schedule; twice, and deleted.

What this cannot prove: that AWS takes the API's definition. The emulator imports OpenAPI 3 alone, so a proxy in front
of it says that our Swagger 2 is that.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from sparkanywhere.cli.stage_config import ENDPOINT_TYPE, ROLE, SETTINGS, VPC_ENDPOINT, XRAY, configured
from tests.aws_box.package import CLUSTER_ARN, LOCKED, vendored
from tests.aws_box.wire import Answer, HttpServer, Request

ROOT = Path(__file__).parents[2]
DEPLOY_SECONDS = 240
PARTS = ("app.py", "chalicelib", "vendor", "requirements.txt")
ACCOUNT = "123456789012"
ASSUME = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the URL of an emulated AWS."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()

    def forward(request: Request) -> Answer:
        body = as_openapi_3(request.body) if "mode=" in request.target else request.body
        headers = {name: value for name, value in request.headers if name.lower() != "content-length"}
        url = f"http://{host}:{port}{request.target}"
        answer = requests.request(request.method, url, data=body, headers=headers, timeout=60, allow_redirects=False)
        kept = [
            (name, value)
            for name, value in answer.headers.items()
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "content-encoding")
        ]
        return Answer(answer.status_code, answer.content, kept)

    proxy = HttpServer(forward)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    yield proxy.url
    proxy.close()
    server.stop()


def as_openapi_3(body: bytes) -> bytes:
    """Return an API's definition under the one name that moto knows."""
    definition = json.loads(body)
    definition.pop("swagger", None)
    definition["info"].setdefault("description", "")
    return json.dumps({"openapi": "3.0.1", **definition}).encode()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of what is deployed, its stage filled in by what Terraform would tell."""
    with vendored():
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, tmp_path / part)
    outputs: dict[str, Any] = {name: {"value": f"the-{name}"} for name in SETTINGS.values()}
    outputs |= {
        ROLE: {"value": f"arn:aws:iam::{ACCOUNT}:role/control-plane"},
        XRAY: {"value": False},
        ENDPOINT_TYPE: {"value": "REGIONAL"},
        VPC_ENDPOINT: {"value": ""},
        "ecs_cluster_arn": {"value": CLUSTER_ARN},
        "assign_public_ip": {"value": True},
        "execute_command": {"value": True},
        "subnet_zones": {"value": {"us-east-1a": "subnet-a"}},
    }
    config = configured(json.loads((ROOT / ".chalice" / "config.json").read_text()), "prod", outputs)
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text(json.dumps(config))
    return tmp_path


def chalice(project: Path, *words: str) -> str:
    """Run the command; return what it said."""
    command = [str(Path(sys.executable).with_name("chalice")), *words, "--stage", "prod"]
    ran = subprocess.run(
        command,
        cwd=project,
        env={**os.environ, **LOCKED, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=DEPLOY_SECONDS,
        check=False,
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def client(service: str) -> Any:  # Any: boto3 makes its clients at run time
    make: Any = boto3.client
    return make(service)


def functions() -> dict[str, Any]:
    """Return the deployed functions by name."""
    return {each["FunctionName"]: each for each in client("lambda").list_functions()["Functions"]}


@pytest.mark.usefixtures("aws")
def test_what_is_deployed_is_whole_may_be_deployed_again_and_is_deleted(project: Path) -> None:
    client("iam").create_role(RoleName="control-plane", AssumeRolePolicyDocument=json.dumps(ASSUME))

    said = chalice(project, "deploy")
    first = functions()
    again = chalice(project, "deploy")

    assert "execute-api" in said
    assert again.count("https://") == said.count("https://")
    names = {"sparkanywhere-prod", "sparkanywhere-prod-task_events", "sparkanywhere-prod-resync"}
    assert set(first) == set(functions()) == names
    api = first["sparkanywhere-prod"]
    assert (api["Handler"], api["MemorySize"], api["Timeout"], api["Architectures"]) == ("app.app", 512, 29, ["arm64"])
    timeouts = {name: first[f"sparkanywhere-prod-{name}"]["Timeout"] for name in ("task_events", "resync")}
    assert timeouts == {"task_events": 29, "resync": 60}
    variables = api["Environment"]["Variables"]
    assert variables["SPARKANYWHERE_PROVIDER"] == "fargate"
    assert variables["SPARKANYWHERE_SUBNETS"] == "us-east-1a=subnet-a"
    rules = client("events").list_rules()["Rules"]
    assert {bool(rule.get("EventPattern")) for rule in rules} == {True, False}  # task events, and the schedule
    assert [CLUSTER_ARN in rule["EventPattern"] for rule in rules if rule.get("EventPattern")] == [True]
    chalice(project, "delete")
    assert functions() == {}
