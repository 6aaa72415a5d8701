"""The terraform command in one folder. It is a program of its own, which no Python package brings."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from sparkanywhere.client.failure import Failure

LEAST = (1, 11)  # as terraform/provider.tf
INSTALL = "https://developer.hashicorp.com/terraform/install has it for every system, in one file"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
TEXT: Any = {"encoding": "utf-8", "errors": "replace"}  # of what Terraform and its providers say


class TerraformFailed(Failure):
    """Terraform is missing, too old, or has failed; str() is a sentence."""


class Interrupted(Failure):
    """The user has pressed Ctrl-C; str() is a sentence."""

    exit_code = 130  # 128 + SIGINT, as shells have it


class Terraform:
    """Runs terraform in a folder. Each method raises TerraformFailed and Interrupted."""

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
        with TemporaryFile("w+", **TEXT) as said, TemporaryFile("w+", **TEXT) as errors:
            code = ended([self._program, *words], self._folder, stdout=said, stderr=errors)
            said.seek(0)
            errors.seek(0)
            text: str = said.read()
            why = diagnosed(text) or _told(errors.read())
        if code:
            raise TerraformFailed(" ".join(why) or f"terraform {words[0]} ended with {code}.")
        return text

    def run(self, *words: str) -> None:
        """Run a command that shows what it does; its outputs are for programs, and not shown."""
        if code := ended([self._program, *words], self._folder, until="Outputs:"):
            raise TerraformFailed(f"terraform {words[0]} ended with {code}; the same command again goes on from there.")


def ended(
    command: Sequence[str],
    folder: Path,
    *,
    stdout: IO[str] | None = None,
    stderr: IO[str] | None = None,
    until: str = "",
) -> int:
    """Run a command to its end and return its exit code. Raises Interrupted once it has ended after a Ctrl-C.

    What it says goes to `stdout`; or with `until` to ours, up to the line of that text, which begins a list of what it
    has made. The terminal sends Ctrl-C to the command as well, which then writes down what it has done so far: killed
    before that, or with nobody who reads what it says, Terraform would forget resources that it has made.
    """
    is_interrupted = is_over = False
    encoding = sys.stdout.encoding or "utf-8"
    shown = subprocess.PIPE if until else stdout
    with subprocess.Popen(command, cwd=folder, stdout=shown, stderr=stderr, **TEXT) as process:
        while True:
            try:
                for line in process.stdout or ():
                    is_over = is_over or line.strip() == until
                    if not is_over:
                        with suppress(OSError):  # whoever read it has gone: the command still has to be heard out
                            sys.stdout.write(line.encode(encoding, "replace").decode(encoding))
                            sys.stdout.flush()
                code = process.wait()
            except KeyboardInterrupt:
                is_interrupted = True
            else:
                break
    if is_interrupted:
        raise Interrupted(
            "Interrupted; what was done so far is recorded, and the same command again goes on from there."
        )
    return code


def diagnosed(output: str) -> list[str]:
    """Return a sentence for each error among the JSON lines of a command of Terraform's, none in other output.

    Terraform's internals documentation, "Machine-Readable UI" (1.11): messages of the type `diagnostic`. Where a
    condition of ours has failed, its own words are enough.
    """
    lines = (json.loads(line) for line in output.splitlines() if line.startswith('{"@level"') and line.endswith("}"))
    errors = (each["diagnostic"] for each in lines if each.get("type") == "diagnostic" and each["@level"] == "error")
    return [_sentence(each["summary"], each.get("detail") or "") for each in errors]


def _sentence(summary: str, detail: str) -> str:
    first = " ".join(detail.partition("\n\n")[0].split())
    is_ours = summary == "Invalid value for variable" or summary.endswith("condition failed")
    return f"{first if is_ours and first else ': '.join(filter(None, (summary, first)))}".rstrip(".") + "."


def _told(errors: str) -> list[str]:
    """Return the first error that Terraform has written for people, as one sentence."""
    said = [line.strip("│╷╵ ") for line in COLOUR.sub("", errors).splitlines()]
    first = next((at for at, line in enumerate(said) if line.startswith("Error: ")), len(said))
    return [_sentence(" ".join(filter(None, said[first:])).removeprefix("Error: "), "")] if said[first:] else []
