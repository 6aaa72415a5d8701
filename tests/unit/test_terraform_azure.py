"""What terraform/azure says. The azurerm provider is not at hand: nothing here validates its resources."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from chalicelib.providers.azure.declaration import AzureSettings
from sparkanywhere.project import PROJECT

MODULE = PROJECT / "terraform" / "azure"
SECONDS = 60
REFUSED: dict[str, Any] = {  # Any: JSON
    "name": "Team_A",
    "location": "West Europe",
    "tags": {"project": "x"},
    "network_cidr": "10.48.0.1/16",
    "registry": "my-registry",
    "registry_sku": "Classic",
    "control_plane_principals": ["me"],
}
TAKEN: dict[str, Any] = {
    "name": "data",
    "location": "eastus2",
    "tags": {"team": "data"},
    "network_cidr": "10.0.0.0/24",
    "registry": "registry1",
    "registry_sku": "Premium",
    "control_plane_principals": ["00000000-0000-0000-0000-00000000000a"],
}


def blocks(kind: str, file: str) -> dict[str, str]:
    """Return the texts of the blocks of a kind in a file, by name."""
    parts = re.split(rf'^{kind} "(\w+)"', (MODULE / file).read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def terraform(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Terraform in a folder."""
    return subprocess.run(
        ["terraform", *words],
        cwd=folder,
        env={**os.environ, "TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def planned(folder: Path, values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Return a plan of the variables alone, which needs no provider."""
    (folder / "variables.tf").write_text((MODULE / "variables.tf").read_text())
    (folder / "terraform.tfvars.json").write_text(json.dumps(values))
    return terraform("plan", "-no-color", "-input=false", folder=folder)


def test_each_output_of_a_setting_is_one_and_what_is_required_is_there() -> None:
    settings = {each.name: each for each in fields(AzureSettings)}
    told = {name for name in blocks("output", "outputs.tf") if name.startswith("azure_")}

    assert told <= settings.keys()
    assert {name for name, each in settings.items() if each.metadata.get("required")} <= told


def test_the_readme_has_every_input_and_output_as_they_are() -> None:
    described = re.compile(r'^  description = "(.*)"$', re.MULTILINE)
    readme = (MODULE / "README.md").read_text()
    written = [line.strip("| ").split(" | ") for line in readme.splitlines() if line.startswith("| `")]

    expected = []
    for name, text in blocks("variable", "variables.tf").items():
        default, says = re.search(r"^  default +=(.*)$", text, re.MULTILINE), described.search(text)
        assert default
        assert says
        expected.append([f"`{name}`", f"`{default[1].strip()}`", says[1]])
    for name, text in blocks("output", "outputs.tf").items():
        says = described.search(text)
        assert says
        expected.append([f"`{name}`", says[1]])
    assert written == expected


@pytest.mark.terraform
def test_it_is_formatted_and_parsed() -> None:
    ran = terraform("fmt", "-check", "-recursive", folder=MODULE)

    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr


@pytest.mark.terraform
def test_every_variable_refuses_what_is_wrong_by_its_name(tmp_path: Path) -> None:
    ran = planned(tmp_path, REFUSED)

    assert REFUSED.keys() == TAKEN.keys() == blocks("variable", "variables.tf").keys()
    assert ran.returncode == 1
    said = " ".join(ran.stderr.split())
    assert [name for name in REFUSED if not re.search(rf"{name} (takes|is one of)", said)] == []


@pytest.mark.terraform
def test_every_variable_takes_what_is_right(tmp_path: Path) -> None:
    ran = planned(tmp_path, TAKEN)

    assert ran.returncode == 0, ran.stderr
