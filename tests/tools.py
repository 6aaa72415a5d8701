"""The tools that marked tests need, and whether this machine has them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import closing
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from chalicelib.config import Settings
from sparkanywhere.local.providers import engine
from sparkanywhere.spark.base_image import PYTHON, base_name
from tests import own_podman
from tests.contract import dynoxide
from tools import clients, slurm_lab

ANSWER_SECONDS = 20  # for a tool to say that it is there; an engine under load takes some


@cache
def missing(tool: str) -> str:
    """Return why the tool of a marker can't be used, in one sentence; empty if it can."""
    if tool == "clients":
        return clients.missing()
    if tool == "spark_operator":
        if shutil.which("go"):
            return clients.missing(of_operator=True)
        return "go is not installed, which builds Kubeflow's Spark operator"
    if tool == "docker":
        return _docker_problem()
    if tool == "image":
        return "" if find("mmdebstrap") or _has_base_image() else "mmdebstrap is not installed"
    if tool == "own_engine":
        return "" if os.geteuid() == 0 and shutil.which("dockerd") else "an engine of one's own takes dockerd and root"
    if tool == "podman":
        return own_podman.problem()
    if tool == "docker_registry":
        return (
            "" if shutil.which("docker-registry") and shutil.which("skopeo") else "docker-registry or skopeo is missing"
        )
    if tool == "kubectl":
        return "" if find(tool) else "kubectl is not installed"
    if tool == "terraform":
        return _terraform_problem()
    if tool == "slurm":
        return slurm_lab.missing()
    if tool == "dynoxide":
        return dynoxide.missing()
    if tool == "browser":
        return _browser_problem()
    return ""  # spark is fetched when asked for; slow needs nothing


def find(tool: str) -> str | None:
    """Return the path of a command, from PATH or from this Python's own folder (a wheel's command)."""
    return shutil.which(tool) or shutil.which(tool, path=str(Path(sys.executable).parent))


def terraform_plugins() -> str:
    """Return the folder of Terraform plugins that holds an AWS provider, "" if there is none.

    TF_PLUGIN_DIR names it; else it is looked for by the provider's name, since a registry may be out of reach.
    """
    given = os.environ.get("TF_PLUGIN_DIR")
    roots = [Path(given)] if given else [Path("/opt"), Path("/usr/local"), Path.home() / ".terraform.d"]
    for root in roots:
        for found in sorted(root.glob("**/registry.terraform.io/hashicorp/aws/*/*/terraform-provider-aws*")):
            return str(found.parents[5])
    return ""


def _terraform_problem() -> str:
    if not find("terraform"):
        return "terraform is not installed"
    return "" if terraform_plugins() else "no terraform-provider-aws is found; TF_PLUGIN_DIR may name its folder"


def _browser_problem() -> str:
    for command in ("chromium", "chromedriver"):
        if not find(command):
            return f"{command} is not installed"
    return "" if find_spec("selenium") else "the Python package selenium is not installed"


def required() -> bool:
    """Return whether a missing tool is a failure, as in CI, and not a skip."""
    return os.environ.get("SPARKANYWHERE_REQUIRE_TOOLS") == "1"


def _has_base_image() -> bool:
    with closing(engine(Settings.from_env())) as client:
        return bool(client.images(name=base_name((PYTHON,))))


def _docker_problem() -> str:
    docker = find("docker")
    if docker is None:
        return "docker is not installed"
    try:
        subprocess.run([docker, "version"], capture_output=True, timeout=ANSWER_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return "no Docker engine answers"
    return ""
