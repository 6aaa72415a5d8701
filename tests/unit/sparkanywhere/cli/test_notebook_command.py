"""A notebook's server runs functions by the Python that the notebook's kernel runs by."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from sparkanywhere.cli import notebook_command
from tests.waiting import until

CONNECT = """#!/bin/sh
echo "$VIRTUAL_ENV" > "$TOLD"
echo "sc://localhost:1/;token=a"
cat > /dev/null
"""
RUN = "import sys; from sparkanywhere.cli.notebook_command import notebook; sys.executable = sys.argv[1]; notebook([])"
STAYS = """#!/bin/sh
trap 'echo ended >> "$TOLD"; exit 0' TERM
echo $$ > "$TOLD.up"
while :; do sleep 0.1; done
"""
JUPYTER = """#!/bin/sh
echo "$SPARK_REMOTE" >> "$TOLD"
exit 3
"""


def write_program(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("folder", "has_python", "is_its_own"), [("bin", True, True), ("bin", False, False), ("shims", True, False)]
)
def test_the_server_has_the_environment_of_jupyter(
    folder: str, has_python: bool, is_its_own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jupyter = write_program(tmp_path / folder / "jupyter-lab", JUPYTER)
    if has_python:
        write_program(tmp_path / folder / "python3", "#!/bin/sh\n")
    monkeypatch.setenv("TOLD", str(tmp_path / "told"))
    monkeypatch.setenv("PATH", str(jupyter.parent), prepend=":")
    ours = write_program(tmp_path / "ours" / "python", CONNECT)
    monkeypatch.setattr(sys, "executable", str(ours))

    ended = CliRunner().invoke(notebook_command.notebook, [])

    prefix = str(tmp_path) if is_its_own else sys.prefix
    assert (tmp_path / "told").read_text().splitlines() == [prefix, "sc://localhost:1/;token=a"]
    assert ended.exit_code == 3


@pytest.mark.parametrize("way", [signal.SIGTERM, signal.SIGHUP])
def test_jupyter_ends_with_the_command(way: signal.Signals, tmp_path: Path) -> None:
    jupyter = write_program(tmp_path / "bin" / "jupyter-lab", STAYS)
    ours = write_program(tmp_path / "ours" / "python", CONNECT)
    environ = {**os.environ, "TOLD": str(tmp_path / "told"), "PATH": f"{jupyter.parent}:{os.environ['PATH']}"}
    command = subprocess.Popen([sys.executable, "-c", RUN, str(ours)], env=environ)
    until((tmp_path / "told.up").exists, "Jupyter")

    command.send_signal(way)

    assert command.wait(30) == 0
    assert (tmp_path / "told").read_text().splitlines()[1:] == ["ended"]
