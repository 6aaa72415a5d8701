"""A Python that is too old is told so in one sentence, wherever it meets us."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
OLDEST = (3, 7)  # older ones do not know `from __future__ import annotations`
PRETEND = "import runpy, sys; sys.version_info = (3, 10, 13); runpy.run_module('sparkanywhere', run_name='__main__')"


@pytest.mark.parametrize("name", ["__init__.py", "__main__.py"])
def test_what_an_old_python_reads_first_is_no_riddle_to_it(name: str) -> None:
    ast.parse((ROOT / "sparkanywhere" / name).read_text(encoding="utf-8"), feature_version=OLDEST)


def test_the_command_says_which_python_it_needs() -> None:
    ran = subprocess.run([sys.executable, "-c", PRETEND], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("Sparkanywhere needs Python 3.11 or newer, and ")
    assert ran.stderr.count("\n") == 1


def test_make_says_which_python_it_needs_and_makes_nothing(tmp_path: Path) -> None:
    too_old = tmp_path / "python3.10"
    too_old.write_text("#!/bin/sh\nexit 1\n")
    too_old.chmod(0o755)
    venv = tmp_path / "venv"

    ran = subprocess.run(
        ["make", "--no-print-directory", f"PYTHON={too_old}", f"VENV={venv}", "pi"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 2
    assert ran.stdout.startswith(f"Python 3.11 or newer is needed, which {too_old} is not: make PYTHON=")
    assert ran.stdout.count("\n") == 1
    assert not venv.exists()


def test_pip_installs_us_into_no_older_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["requires-python"] == ">=3.11"
