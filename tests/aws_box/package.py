"""The archive and the template that `chalice package` makes, unpacked as Lambda does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.locks import locked

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE_SECONDS = 300
# What `make package` sets: Chalice takes only wheels whose hashes `make vendor` has checked.
LOCKED = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(PROJECT / ".make" / "wheels")}
CLUSTER_ARN = "arn:aws:ecs:us-east-1:123456789012:cluster/sparkanywhere"


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

    def timeout_seconds(self, handler: str) -> float:
        """Return how long an invocation of the function with this handler may take."""
        found = (each["Properties"] for each in self.template["Resources"].values())
        return float(next(each["Timeout"] for each in found if each.get("Handler") == handler))


@contextmanager
def vendored() -> Iterator[None]:
    """Yield while `vendor/` is complete and this process alone packages: Chalice makes archives in `.chalice`."""
    with locked(PROJECT / ".chalice"):
        vendor = ["make", "--silent", "vendor"]
        subprocess.run(vendor, cwd=PROJECT, check=True, timeout=PACKAGE_SECONDS, capture_output=True)
        yield


def make_package(folder: Path) -> Package:
    """Package the stage prod into a folder."""
    environ = {
        **os.environ,
        **LOCKED,
        "AWS_DEFAULT_REGION": "us-east-1",
        "SPARKANYWHERE_PROVIDER": "fargate",
        "SPARKANYWHERE_CLUSTER_ARN": CLUSTER_ARN,
    }
    command = [str(Path(sys.executable).with_name("chalice")), "package", "--stage", "prod", str(folder)]
    with vendored():
        subprocess.run(command, cwd=PROJECT, env=environ, check=True, timeout=PACKAGE_SECONDS, capture_output=True)
    with zipfile.ZipFile(folder / "deployment.zip") as packed:
        packed.extractall(folder / "task")
    return _package(folder)


def find_or_make_package(folder: Path) -> Package:
    """Return the package in a folder that several processes share: the first of them makes it."""
    folder.mkdir(exist_ok=True)
    with locked(folder):
        return _package(folder) if (folder / "task").exists() else make_package(folder)


def _package(folder: Path) -> Package:
    return Package(folder / "deployment.zip", folder / "task", json.loads((folder / "sam.json").read_text()))
