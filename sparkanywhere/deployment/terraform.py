"""The terraform command in one folder. It is a program of its own, which no Python package brings."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from sparkanywhere.client.failure import Failure

LEAST = (1, 11)  # as terraform/provider.tf
INSTALL = "https://developer.hashicorp.com/terraform/install has it for every system, in one file"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
SECONDS = 900  # for what changes nothing: a plan reads each resource that is there


class TerraformFailed(Failure):
    """Terraform is missing, too old, or has failed; str() is a sentence."""


class Terraform:
    """Runs terraform in a folder. Each method raises TerraformFailed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        found = shutil.which("terraform")
        if not found:
            raise TerraformFailed(f"Terraform {LEAST[0]}.{LEAST[1]} or newer is needed: {INSTALL}.")
        self._program = found

    def check_version(self) -> None:
        """Raise TerraformFailed for one that is too old for our files."""
        version = str(json.loads(self.read("version", "-json"))["terraform_version"])
        if tuple(int(part) for part in version.split(".")[:2]) < LEAST:
            raise TerraformFailed(f"Terraform {LEAST[0]}.{LEAST[1]} or newer is needed, not {version}: {INSTALL}.")

    def outputs(self) -> dict[str, Any]:
        """Return the outputs by name, each with its "value"; none where nothing was applied."""
        if not (self._folder / ".terraform").is_dir():
            return {}
        found: dict[str, Any] = json.loads(self.read("output", "-json"))
        return found

    def read(self, *words: str) -> str:
        """Return what a command says that changes nothing."""
        ran = subprocess.run(
            [self._program, *words], cwd=self._folder, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        if ran.returncode:
            said = [line.strip("│╷╵ ") for line in COLOUR.sub("", ran.stderr).splitlines()]
            first = next((at for at, line in enumerate(said) if line.startswith("Error: ")), len(said))
            why = " ".join(filter(None, said[first:])).removeprefix("Error: ") or f"it ended with {ran.returncode}"
            raise TerraformFailed(f"terraform {words[0]}: {why.rstrip('.')}.")
        return ran.stdout

    def run(self, *words: str) -> None:
        """Run a command that shows what it does, with this terminal."""
        code = subprocess.run([self._program, *words], cwd=self._folder, check=False).returncode
        if code:
            raise TerraformFailed(f"terraform {words[0]} ended with {code}; the same command again goes on from there.")
