"""What a function of the packaged archive does while Lambda initialises it, and what is left to its first request."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.aws_box.client import PODS
from tests.aws_box.deployment import TOKEN, Deployment
from tests.aws_box.execution_environment import runtime_folder
from tests.aws_box.gateway import Gateway
from tests.aws_box.package import Package

# Each takes a part of a cold start that can be measured, and few requests need it.
NEEDLESS = {
    "boto3": "AWS's clients are botocore's own",
    "chalice.local": "only a laptop has Chalice's local server",
    "chalicelib.controllers.probes": "no provider on Lambda looks into its tasks",
    "chalicelib.providers.docker": "it is another provider",
    "chalicelib.providers.process": "it is another provider",
    "chalicelib.providers.supervised": "it is other providers'",
    "chalicelib.storage.sqlite": "it is another store",
    "jsonpatch": "few requests are patches",
    "logging.handlers": "no file is written",
    "sqlite3": "it is another store's",
    "tarfile": "few requests are a task's for its payload",
    "yaml": "few requests are YAML",
    "zoneinfo": "few CronJobs name a zone",
}
PROGRAM = """
import importlib, json, re, sys
from botocore.session import Session
compiled, parse = [], re._parser.parse
sys.addaudithook(lambda event, told: compiled.append(str(told[0])) if event == "compile" and told[0] else None)
def parse_pattern(pattern, *rest):
    compiled.append("expression " + str(pattern))
    return parse(pattern, *rest)
re._parser.parse = parse_pattern
made, create = [], Session.create_client
def create_client(session, service, *args, **kwargs):
    made.append(service)
    return create(session, service, *args, **kwargs)
Session.create_client = create_client
app, event = importlib.import_module("app"), json.load(sys.stdin)
told = {"at_init": list(made), "modules": sorted(sys.modules), "compiled": list(compiled)}
told["answer"] = event and app.app(event, None)
print(json.dumps({**told, "later": made[len(told["at_init"]):]}))
"""


@dataclass(frozen=True, slots=True)
class ColdProcesses:
    """Starts a process of the archive, as Lambda does, for each invocation."""

    deployment: Deployment
    task_root: Path
    runtime: Path

    def run(self, function: str, event: Any = None) -> Any:  # Any: JSON, in and out
        """Return which clients a function makes, what it has imported, and what it answers to an event."""
        environ = {
            **self.deployment.api.environ,
            "_HANDLER": f"app.{function}",
            "PYTHONPATH": f"{self.task_root}:{self.runtime}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = [sys.executable, "-S", "-c", PROGRAM]
        ran = subprocess.run(
            command,
            cwd=self.task_root,
            env=environ,
            input=json.dumps(event),
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(ran.stdout.splitlines()[-1])  # behind audit lines


@pytest.fixture(scope="module")
def cold(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ColdProcesses]:
    folder = tmp_path_factory.mktemp("cold")
    deployment = Deployment(package, folder)
    deployment.lambda_api.lose = lambda _: True
    processes = ColdProcesses(deployment, package.task_root, runtime_folder(folder / "runtime"))
    processes.run("app")  # the first one at a new table writes its defaults
    yield processes
    deployment.close()


@pytest.mark.parametrize(
    ("function", "services"),
    [
        ("app", ["dynamodb", "lambda"]),
        ("launch", ["dynamodb", "ecs"]),
        ("resync", ["dynamodb", "ecs"]),
        ("stream", ["dynamodb"]),
        ("task_events", ["dynamodb"]),
    ],
)
def test_a_function_makes_its_clients_while_it_initialises(
    cold: ColdProcesses, function: str, services: list[str]
) -> None:
    assert cold.run(function)["at_init"] == services


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_first_request_for_pods_makes_no_client(cold: ColdProcesses, package: Package, method: str) -> None:
    made: list[str] = []

    def invoke(event: Any) -> bytes:
        told = cold.run("app", event)
        made.extend(told["later"])
        return json.dumps(told["answer"]).encode()

    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "first"},
        "spec": {"containers": [{"name": "main", "image": "busybox"}]},
    }
    gateway = Gateway(package.api_definition, invoke)

    answer = requests.request(
        method,
        gateway.url + PODS,
        headers={"Authorization": f"Bearer {TOKEN}"},
        json=pod if method == "POST" else None,
        timeout=60,
    )
    gateway.close()

    assert (answer.status_code, made) == ({"GET": 200, "POST": 201}[method], [])
    assert len(cold.deployment.lambda_api.events) == (method == "POST")


def test_nothing_is_imported_that_few_requests_need(cold: ColdProcesses) -> None:
    modules = cold.run("app")["modules"]

    assert "chalicelib.storage.dynamodb.storage" in modules
    found = {each: why for each, why in NEEDLESS.items() for name in modules if f"{name}.".startswith(f"{each}.")}
    assert found == {}


def test_what_classes_and_expressions_are_made_of_comes_compiled(cold: ColdProcesses) -> None:
    compiled = cold.run("app")["compiled"]

    assert any("lambda" in text for text in compiled)  # a namedtuple's: what is compiled is seen
    assert [text for text in compiled if "__create_fn__" in text] == []
    expressions = [text for text in compiled if text.startswith("expression ")]
    assert 0 < len(expressions) < 20, expressions  # of a hundred: those of settings, and of what is imported before
