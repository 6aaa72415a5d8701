"""`chalice package` makes a small archive that holds what Lambda needs and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path

import pytest

from sparkanywhere.cli.stage_config import STREAM_VARIABLES
from tests.aws_box.execution_environment import runtime_folder
from tests.aws_box.package import CHALICE, make_package

ROOT = Path(__file__).parents[2]
MAX_BYTES = 15_000_000

pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("package")).archive.parent


def test_the_archive_is_small_and_has_no_boto(package: Path) -> None:
    archive = package / "deployment.zip"
    names = zipfile.ZipFile(archive).namelist()

    assert archive.stat().st_size < MAX_BYTES
    tops = {name.split("/")[0] for name in names}
    assert {"app.py", "chalicelib", "chalice", "pynamodb", "jwt", "jsonpatch.py", "re2", "yaml"} <= tops
    page = {f"chalicelib/endpoints/page/{name}" for name in ("page.html", "page.css", "page.js")}
    assert {*page, "chalicelib/providers/fargate/prices.json"} <= set(names)
    assert not {"boto3", "botocore", "docker", "sparkanywhere", "tests", "kubernetes"} & tops


def test_cloudformation_would_take_the_template(package: Path) -> None:
    lint = [str(Path(sys.executable).with_name("cfn-lint")), str(package / "sam.json")]

    found = subprocess.run(lint, capture_output=True, text=True, check=False)

    assert (found.returncode, found.stdout) == (0, "")


def test_the_terraform_format_is_refused_in_a_sentence(package: Path) -> None:
    command = [CHALICE, "package", "--pkg-format", "terraform", "--stage", "prod", "out"]

    ran = subprocess.run(command, cwd=package / "clone", capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert "use `chalice deploy`" in ran.stderr


def test_each_module_has_its_bytecode_which_is_valid_whatever_its_time(package: Path) -> None:
    with zipfile.ZipFile(package / "deployment.zip") as archive:
        names = set(archive.namelist())
        sources = {name for name in names if name.endswith(".py")}
        compiled = {name: archive.read(name)[:8] for name in names if name.endswith(".pyc")}

    assert set(compiled) == {cache_from_source(name) for name in sources}
    unchecked = (1).to_bytes(4, "little")  # PEP 552: by hash, which is not looked at
    assert set(compiled.values()) == {MAGIC_NUMBER + unchecked}


def test_nothing_is_compiled_when_a_function_starts(package: Path) -> None:
    modules = "app, chalicelib.storage.dynamodb.storage, chalicelib.providers.fargate.provider"
    program = (
        "import sys; seen = []\n"
        "sys.addaudithook(lambda event, args: seen.append(str(args[1])) if event == 'compile' else None)\n"
        f"import {modules}\n"
        "print([name for name in seen if '/task/' in name])"
    )
    task = package / "task"
    path = f"{task}:{runtime_folder(package / 'runtime')}"
    environ = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.defpath}

    command = [sys.executable, "-S", "-c", program]
    found = subprocess.run(command, cwd=task, env=environ, check=True, capture_output=True, text=True)

    assert found.stdout == "[]\n"


def test_the_same_content_makes_the_same_archive(package: Path, tmp_path: Path) -> None:
    again = make_package(tmp_path / "again").archive

    assert again.read_bytes() == (package / "deployment.zip").read_bytes()


def test_the_template_has_the_api_the_events_and_the_schedule(package: Path) -> None:
    resources = json.loads((package / "sam.json").read_text())["Resources"]
    functions = {name: each for name, each in resources.items() if each["Type"] == "AWS::Serverless::Function"}

    assert set(functions) == {"APIHandler", "TaskEvents", "Resync", "Launch", "Stream"}
    assert resources["RestAPI"]["Properties"]["EndpointConfiguration"] == "REGIONAL"
    properties = functions["APIHandler"]["Properties"]
    assert (properties["MemorySize"], properties["Timeout"], properties["Architectures"]) == (512, 29, ["arm64"])
    assert [functions[name]["Properties"]["Timeout"] for name in ("TaskEvents", "Resync")] == [29, 60]
    pattern = json.dumps(functions["TaskEvents"]["Properties"]["Events"])
    assert "ECS Task State Change" in pattern
    assert "cluster/sparkanywhere" in pattern
    streamed = resources["RestAPI"]["Properties"]["DefinitionBody"]["paths"]["/stream/{proxy+}"]["get"]
    assert "/functions/${Stream.Arn}/" in streamed["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
    assert resources["StreamInvokePermission"]["Properties"]["FunctionName"] == {"Ref": "Stream"}


def test_the_script_that_starts_the_streaming_runtime_can_be_run(package: Path) -> None:
    with zipfile.ZipFile(package / "deployment.zip") as archive:
        script = archive.getinfo(STREAM_VARIABLES["AWS_LAMBDA_EXEC_WRAPPER"].removeprefix("/var/task/"))

    assert script.external_attr >> 16 & 0o111 == 0o111


def test_the_gateway_lets_every_body_through_as_bytes(package: Path) -> None:
    api = json.loads((package / "sam.json").read_text())["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]

    assert "*/*" in api["x-amazon-apigateway-binary-media-types"]  # protobuf in, gzip out


def test_every_function_is_found_in_the_module_that_lambda_looks_in(package: Path) -> None:
    resources = json.loads((package / "sam.json").read_text())["Resources"]
    handlers = [each["Properties"]["Handler"] for each in resources.values() if "Handler" in each["Properties"]]

    command = [sys.executable, "-c", "import app, sys; print([hasattr(app, name) for name in sys.argv[1:]])"]
    names = [handler.removeprefix("app.") for handler in handlers]
    environ = {
        **os.environ,
        "SPARKANYWHERE_PROVIDER": "fargate",
        "SPARKANYWHERE_CLUSTER_ARN": "arn:aws:ecs:us-east-1:123456789012:cluster/c",
    }
    found = subprocess.run([*command, *names], cwd=ROOT, env=environ, check=True, capture_output=True, text=True)

    assert found.stdout == f"{[True] * len(names)}\n"
