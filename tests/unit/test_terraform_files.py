"""What terraform/ says, without the command: its lock file, its list of functions, what the root hands on."""

from __future__ import annotations

import json
import re
import runpy
import sys
from collections import Counter
from itertools import product
from pathlib import Path

import pytest

from sparkanywhere.aws.plane_checks import CALLED, EVENTS, SCHEDULE
from tests.aws_box.role import MODULE, functions

ROOT = MODULE.parents[1]
PACKAGES = 15  # one for each of the 14 platforms that HashiCorp builds version 5.100.0 for, and their manifest


def blocks(kind: str, path: Path) -> set[str]:
    """Return the names of the blocks of a kind in a file."""
    return set(re.findall(rf'^{kind} "(\w+)"', path.read_text(), re.MULTILINE))


def test_the_lock_file_holds_for_every_platform() -> None:
    """A lock that `terraform init` wrote from a local mirror has the hash of one machine, and fails on all others."""
    packages = re.findall(r'"zh:[0-9a-f]{64}"', (ROOT / ".terraform.lock.hcl").read_text())

    assert len(set(packages)) == PACKAGES


def test_the_list_of_functions_is_what_the_app_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARKANYWHERE_PROVIDER", "fargate")
    monkeypatch.setenv("SPARKANYWHERE_CLUSTER_ARN", "arn:aws:ecs:us-east-1:123456789012:cluster/sparkanywhere-prod")
    monkeypatch.setitem(sys.modules, "sparkanywhere.local.chalice_command", None)  # as on Lambda

    app = runpy.run_path(str(ROOT.parent / "app.py"))["app"]

    assert {each.name for each in (*app.event_sources, *app.pure_lambda_functions)} | {"api_handler"} == set(
        functions()
    )


def test_no_two_deployments_have_a_function_of_one_name() -> None:
    """API of (a-p, launch) and launches of (a, p) would be one function: such a stage is refused, but to destroy it."""
    variables = (MODULE / "variables.tf").read_text()
    refused = r".*?!contains\((\[[^]]+\]), var.stage\) \|\| !var.deletion_protection$"
    stage = re.search(r'regex\("([^"]+)", var.stage\)\)$' + refused, variables, flags=re.DOTALL | re.MULTILINE)
    assert stage is not None
    own = sorted(set(functions()) - {"api_handler"})
    stages = [each for each in ("a", "p", *own) if re.search(stage[1], each) and each not in json.loads(stage[2])]
    names = [*"apl", *("-".join(words) for words in product(("a", "p", *own), repeat=2))]

    made = Counter(
        "-".join(part for part in (name, each, function) if part)
        for name, each in product(names, stages)
        for function in ("", *own)
    )

    assert [name for name, count in made.items() if count > 1] == []
    assert set(own) == {EVENTS, SCHEDULE, *CALLED}


def test_the_root_hands_on_every_variable_and_output() -> None:
    given = set(re.findall(r"^  (\w+) += var\.(?=\1$)", (ROOT / "main.tf").read_text(), re.MULTILINE))

    assert given == blocks("variable", MODULE / "variables.tf") == blocks("variable", ROOT / "variables.tf")
    assert blocks("output", ROOT / "outputs.tf") == blocks("output", MODULE / "outputs.tf")


def test_the_module_has_no_provider_of_its_own() -> None:
    assert [path.name for path in MODULE.glob("*.tf") if blocks("provider", path)] == []


@pytest.mark.parametrize("path", [MODULE / "variables.tf", ROOT / "provider.tf"], ids=lambda path: path.name)
def test_every_variable_that_can_be_wrong_is_checked(path: Path) -> None:
    variables = re.split(r"^(?=variable )", path.read_text(), flags=re.MULTILINE)[1:]

    unchecked = [each.split('"')[1] for each in variables if "= bool" not in each and "validation {" not in each]
    assert unchecked == []


def inputs() -> dict[str, tuple[str, str]]:
    """Return default and description of each variable, by its name."""
    found = {}
    for text in re.split(r'^variable "', (MODULE / "variables.tf").read_text(), flags=re.MULTILINE)[1:]:
        default = re.search(r"^  default +=(.*)$", text, re.MULTILINE)
        assert default
        found[text.partition('"')[0]] = (default[1].strip(), description(text))
    return found


def description(text: str) -> str:
    """Return what a block says of itself, on one line."""
    found = re.search(
        r'description = (?:"(?P<line>[^\n]*)"$|<<-TEXT\n(?P<lines>.*?)^ +TEXT$)', text, re.MULTILINE | re.DOTALL
    )
    assert found
    return " ".join((found["line"] or found["lines"]).replace('\\"', '"').split())


def test_the_modules_readme_has_every_input_and_output_as_they_are() -> None:
    readme = (MODULE / "README.md").read_text().partition("## Inputs")[2]
    blocks_of_outputs = re.split(r'^output "', (MODULE / "outputs.tf").read_text(), flags=re.MULTILINE)[1:]

    written = [line.strip("| ").split(" | ") for line in readme.splitlines() if line.startswith("| `")]

    expected = [[f"`{name}`", f"`{default}`", text] for name, (default, text) in inputs().items()]
    expected += [[f"`{each.partition(chr(34))[0]}`", description(each)] for each in blocks_of_outputs]
    assert written == expected
