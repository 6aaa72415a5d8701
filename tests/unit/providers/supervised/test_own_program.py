"""A function of ours in a Python of its own is not disturbed by what lies beside it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chalicelib.providers.supervised import own_program

RUN_SECONDS = 60


@pytest.mark.parametrize("place", ["site-packages", "working directory", "PYTHONPATH"])
def test_modules_named_like_pythons_own_are_not_imported(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("site-packages", "working directory", "PYTHONPATH"):
        (tmp_path / folder).mkdir()
    # as the backports that some environments have
    for name in ("typing", "re", "pathlib", "dataclasses"):
        (tmp_path / place / f"{name}.py").write_text("raise AssertionError('not yours to import')\n")
    (tmp_path / "site-packages" / "chalicelib").symlink_to(own_program.ROOT / "chalicelib")
    monkeypatch.setattr(own_program, "ROOT", tmp_path / "site-packages")

    ended = subprocess.run(
        own_program.own_program(sys.executable, "spark", "java_options({})"),
        cwd=tmp_path / "working directory",
        env={"PYTHONPATH": str(tmp_path / "PYTHONPATH")},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
