"""What `make` says while it prepares `.venv`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sparkanywhere.project import PROJECT

MAKE_SECONDS = 60

# Stands for .venv/bin/python: its pip says much, and ends as it is told.
PYTHON = """#!/bin/sh
case "$*" in
  *"pip install"*) echo "Collecting click"; echo "No space left on device" >&2; exit {code} ;;
  *) echo "ran $*" ;;
esac
"""


@pytest.mark.parametrize(("code", "said"), [(0, "ran -m sparkanywhere spark install"), (3, "No space left on device")])
def test_what_pip_says_is_shown_only_where_it_fails(tmp_path: Path, code: int, said: str) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON.format(code=code))
    python.chmod(0o755)
    (python.parent / "sparkanywhere-chalice").touch()

    made = subprocess.run(
        ["make", "spark", f"VENV={tmp_path / 'venv'}"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=MAKE_SECONDS,
    )

    assert (made.returncode == 0) == (code == 0)
    assert said in made.stdout
    assert ("Collecting click" in made.stdout) == (code != 0)
