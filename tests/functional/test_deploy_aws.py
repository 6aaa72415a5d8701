"""`sparkanywhere deploy aws` from the wheel in an empty home, by the real Terraform and Chalice on an AWS emulator.

What is deployed, run by AWS's runtime client, answers kubectl, with the token that the context's plugin fetches.
What this cannot prove: that AWS's limits and IAM take it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from sparkanywhere.local.certificates import CertificateFiles, ensure_certificates, server_context
from tests.aws_box.execution_environment import runtime_folder
from tests.aws_box.gateway import INTEGRATION, Gateway
from tests.aws_box.lambda_function import CONCURRENCY, Account, LambdaFunction
from tests.aws_box.moto_server import credentials, moto
from tests.aws_box.wire import LOOPBACK
from tests.tools import find, terraform_plugins
from tests.wheel import Installed, build, install

SECONDS = 400  # two minutes: the provider itself waits for some resources; a loaded machine gets patience
ANSWER_SECONDS = 60
DEPTH = 8  # parts of a path
NO_PODS = "No resources found in default namespace.\n"
FOLDER = Path(".local", "share", "sparkanywhere", "aws", "sparkanywhere-prod")

pytestmark = [pytest.mark.terraform, pytest.mark.kubectl, pytest.mark.slow, pytest.mark.timeout(1200)]


@dataclass(frozen=True, slots=True)
class Stranger:
    """Someone with the wheel and AWS credentials, in an empty home."""

    installed: Installed
    home: Path
    environ: dict[str, str]

    def run(self, *words: str, answer: str = "", code: int = 0) -> str:
        """Run the command, which ends with `code`; return what it said, standard error first."""
        command = [str(self.installed.command), *words]
        ran = subprocess.run(
            command,
            cwd=self.home,
            env=self.environ,
            input=answer,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert ran.returncode == code, f"{words}: {ran.stdout}\n{ran.stderr}"
        return ran.stderr + ran.stdout

    def kubectl(self, *words: str) -> str:
        """Run kubectl, which gets its token from the context's plugin; return what it said."""
        command = [str(find("kubectl")), "--insecure-skip-tls-verify", *words]
        ran = subprocess.run(
            command, env=self.environ, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False
        )
        return ran.stdout + ran.stderr

    def client(self, service: str) -> Any:  # Any: boto3 makes its clients at run time
        make: Any = boto3.client
        url = self.environ["AWS_ENDPOINT_URL"]
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        return make(service, region_name="us-east-1", endpoint_url=url, **keys)

    def left(self) -> list[Any]:
        """Return what there is of what Terraform and Chalice have made; a deleted cluster is shown for a while."""
        ecs = self.client("ecs")
        clusters = ecs.describe_clusters(clusters=ecs.list_clusters()["clusterArns"])["clusters"]
        return [
            *self.client("lambda").list_functions()["Functions"],
            *self.client("apigateway").get_rest_apis()["items"],
            *self.client("events").list_rules()["Rules"],
            *self.client("ssm").describe_parameters()["Parameters"],
            *self.client("dynamodb").list_tables()["TableNames"],
            *(each for each in clusters if each["status"] != "INACTIVE"),
            *self.client("iam").list_roles()["Roles"],
            *self.client("s3").list_buckets()["Buckets"],
            *self.client("logs").describe_log_groups()["logGroups"],
        ]


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stranger]:
    monkeypatch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
    installed = install(build(tmp_path / "dist"), tmp_path / "venv")
    home = tmp_path / "home"
    home.mkdir()
    with moto() as url:
        tools = f"{Path(str(find('terraform'))).parent}:/usr/bin:/bin"
        plugins = {"TF_CLI_ARGS_init": f"-plugin-dir={terraform_plugins()}", "TF_VAR_endpoint_url": url}
        wheels = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        environ = {"PATH": tools, "HOME": str(home), "CHECKPOINT_DISABLE": "1", **credentials(url), **plugins, **wheels}
        yield Stranger(installed, home, environ)


def test_the_wheel_deploys_what_answers_and_takes_it_down_again(stranger: Stranger) -> None:
    dry = stranger.run("deploy", "aws", "--dry-run")
    assert "kms_key $1.00, and cents for a function that runs once a minute" in dry
    refused = stranger.run("deploy", "aws", "--stage", "launch", "--dry-run", code=1)
    assert "stage is no function's name: launch, resync or stream" in refused
    assert stranger.left() == []

    said = stranger.run("deploy", "aws", answer="y\n")

    assert "Make it? [y/N]" in said
    server = stranger.client("apigateway").get_rest_apis()["items"][0]["id"]
    kubeconfig = stranger.home / ".kube" / "config"
    user = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]["exec"]
    assert f"prod  https://{server}.execute-api.us-east-1.amazonaws.com/api" in stranger.run("contexts")
    token = json.loads(stranger.run(*user["args"]))["status"]["token"]
    assert len(token) == 48
    assert not [path for path in stranger.home.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
    with deployed(stranger) as url:
        assert stranger.kubectl("--context", "prod", "--server", url, "get", "pods") == NO_PODS
        assert stream_runtime(stranger).endswith("_plane.plane.stream_runtime")
    kubeconfig.unlink()
    stranger.run("login", "--region", "us-east-1", "--context", "mine")
    assert "mine  https://" in stranger.run("contexts")
    assert "Left: " in stranger.run("deploy", "aws", "--destroy", "--yes")
    assert stranger.left() == []


def stream_runtime(stranger: Stranger) -> str:
    """Return the module by which the function starts that streams; Python has found it in the archive."""
    configuration = stranger.client("lambda").get_function_configuration(FunctionName="sparkanywhere-prod-stream")
    named = configuration["Environment"]["Variables"]["AWS_LAMBDA_EXEC_WRAPPER"]
    script = stranger.home / "task" / named.removeprefix("/var/task/")
    environ = {"LAMBDA_TASK_ROOT": str(stranger.home / "task"), "PATH": os.environ["PATH"]}
    command = ["bash", str(script), sys.executable, "-c", "import sys; print(sys.argv[2])", "handler"]
    module = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.strip()
    found = [sys.executable, "-c", f"import importlib.util as u; assert u.find_spec({module!r})"]
    subprocess.run(found, cwd=stranger.home / "task", env=environ, check=True)
    return module


@contextmanager
def deployed(stranger: Stranger) -> Iterator[str]:
    """Yield the URL of a gateway before the archive that was deployed, in the environment that its function got."""
    task_root = stranger.home / "task"
    with zipfile.ZipFile(next((stranger.home / FOLDER / ".chalice" / "deployments").glob("*.zip"))) as packed:
        packed.extractall(task_root)
    configuration = stranger.client("lambda").get_function_configuration(FunctionName="sparkanywhere-prod")
    environ = {
        **configuration["Environment"]["Variables"],
        **credentials(stranger.environ["AWS_ENDPOINT_URL"]),
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": configuration["FunctionName"],
    }
    certificates = CertificateFiles(stranger.home / "tls")
    ensure_certificates(certificates, frozenset({LOOPBACK}), datetime.now(UTC))
    function = LambdaFunction(
        configuration["Handler"],
        task_root=task_root,
        runtime=runtime_folder(stranger.home / "runtime"),
        environ=environ,
        log=stranger.home / "lambda.log",
        account=Account(CONCURRENCY),
        timeout_seconds=ANSWER_SECONDS,
    )
    paths: dict[str, Any] = {
        "".join(f"/{{p{part}}}" for part in range(1, parts + 1)): {"get": {INTEGRATION: {}}}
        for parts in range(1, DEPTH)
    }
    gateway = Gateway({"paths": paths}, function.invoke, tls=server_context(certificates))
    try:
        yield gateway.tls_url
    finally:
        gateway.close()
        function.close()
