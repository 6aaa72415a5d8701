"""The archive and the template that `chalice package` makes, unpacked as Lambda does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkanywhere.cli.stage_config import (
    CONCURRENCY,
    DETAILS,
    ENDPOINT_TYPE,
    ROLE,
    SETTINGS,
    VPC_ENDPOINT,
    XRAY,
    configured,
)
from sparkanywhere.deployment.libraries import fetch_libraries
from tests.locks import locked

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE_SECONDS = 300
ACCOUNT = "123456789012"  # moto's
CLUSTER_ARN = f"arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/sparkanywhere-prod"
PARTS = ("app.py", "chalicelib", "vendor", "requirements.txt", "locks", ".make")
CHALICE = str(Path(sys.executable).with_name("chalice"))


@dataclass(frozen=True, slots=True)
class Package:
    """What `make package` leaves: the archive, its content, and the API's definition."""

    archive: Path
    task_root: Path
    template: dict[str, Any]

    @property
    def api_definition(self) -> dict[str, Any]:
        """Return the Swagger document of the REST API."""
        body: dict[str, Any] = self.template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
        return body

    @property
    def event_pattern(self) -> dict[str, Any]:
        """Return which events the rule takes whose target is the function of task events."""
        (event,) = self._properties("app.task_events")["Events"].values()
        pattern: dict[str, Any] = event["Properties"]["Pattern"]
        return pattern

    def timeout_seconds(self, handler: str) -> float:
        """Return how long an invocation of the function with this handler may take."""
        return float(self._properties(handler)["Timeout"])

    def memory_gb(self, handler: str) -> float:
        """Return how much memory the function with this handler has."""
        return float(self._properties(handler)["MemorySize"]) / 1024

    def _properties(self, handler: str) -> dict[str, Any]:
        found: Iterator[dict[str, Any]] = (each["Properties"] for each in self.template["Resources"].values())
        return next(each for each in found if each.get("Handler") == handler)


def outputs(*, name: str = "sparkanywhere", region: str = "us-east-1") -> dict[str, Any]:
    """Return what Terraform would print of a deployment."""
    return {
        **{each: {"value": f"the-{each}"} for each in SETTINGS.values()},
        "name": {"value": name},
        "stage": {"value": "prod"},
        "deployment": {"value": f"{name}-prod"},
        "region": {"value": region},
        CONCURRENCY: {"value": {"resync": 2}},
        DETAILS["dead_letters"]: {"value": f"arn:aws:sqs:{region}:{ACCOUNT}:{name}-prod-dead-letters"},
        DETAILS["requests_a_second"]: {"value": 500},
        DETAILS["burst"]: {"value": 1000},
        ROLE: {"value": f"arn:aws:iam::{ACCOUNT}:role/control-plane"},
        XRAY: {"value": False},
        ENDPOINT_TYPE: {"value": "REGIONAL"},
        VPC_ENDPOINT: {"value": ""},
        "ecs_cluster_arn": {"value": f"arn:aws:ecs:{region}:{ACCOUNT}:cluster/{name}-prod"},
        "assign_public_ip": {"value": True},
        "execute_command": {"value": True},
        "subnet_zones": {"value": {f"{region}a": "subnet-a"}},
    }


def make_project(folder: Path, terraform: dict[str, Any] | None = None) -> Path:
    """Return a clone of what is deployed, its stage prod filled in by what Terraform would tell."""
    with libraries():
        for part in PARTS:
            if (PROJECT / part).is_dir():
                shutil.copytree(PROJECT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(PROJECT / part, folder / part)
    (folder / "sparkanywhere").symlink_to(PROJECT / "sparkanywhere")
    (folder / ".chalice").mkdir()
    config = json.loads((PROJECT / ".chalice" / "config.json").read_text())
    filled = configured(config, "prod", outputs() if terraform is None else terraform)
    (folder / ".chalice" / "config.json").write_text(json.dumps(filled))
    return folder


@contextmanager
def libraries() -> Iterator[None]:
    """Yield while all that goes into the archive beside our code is in the checkout, and nobody fetches it."""
    with locked(PROJECT / ".chalice"):
        fetch_libraries(PROJECT)
        yield


def make_package(folder: Path) -> Package:
    """Package the stage prod into a folder."""
    folder.mkdir(exist_ok=True)
    (folder / "clone").mkdir()
    clone = make_project(folder / "clone")
    command = [CHALICE, "package", "--stage", "prod", str(folder)]
    subprocess.run(command, cwd=clone, check=True, timeout=PACKAGE_SECONDS, capture_output=True)
    with zipfile.ZipFile(folder / "deployment.zip") as packed:
        packed.extractall(folder / "task")
        for each in packed.infolist():
            (folder / "task" / each.filename).chmod(each.external_attr >> 16)
    return _package(folder)


def find_or_make_package(folder: Path) -> Package:
    """Return the package in a folder that several processes share: the first of them makes it."""
    folder.mkdir(exist_ok=True)
    with locked(folder):
        return _package(folder) if (folder / "task").exists() else make_package(folder)


def _package(folder: Path) -> Package:
    return Package(folder / "deployment.zip", folder / "task", json.loads((folder / "sam.json").read_text()))
