"""The command's own group."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from sparkanywhere import __main__


def test_ctrl_c_that_a_command_leaves_ends_it_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_module: str) -> None:
        raise KeyboardInterrupt  # while the command is being imported, in its first second

    monkeypatch.setattr(__main__, "import_module", interrupted)

    result = CliRunner().invoke(__main__.main, ["submit", "job.py"])

    assert (result.exit_code, result.stderr) == (130, "Aborted!\n")


def test_an_aborted_prompt_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def aborted(_module: str) -> None:
        raise click.Abort

    monkeypatch.setattr(__main__, "import_module", aborted)

    assert CliRunner().invoke(__main__.main, ["ps"]).exit_code == 1


def test_ps_loads_nothing_that_only_others_need() -> None:
    """It is typed all day: each of these takes as long to load as all that it needs."""
    heavy = ("chalice", "docker", "rich", "chalicelib.resources.catalogue", "sparkanywhere.jobs.spec")
    program = f"import sys, sparkanywhere.cli.ps_command; print([each for each in {heavy!r} if each in sys.modules])"

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert ran.stdout == "[]\n"


def test_a_command_says_what_to_install_where_an_extra_is_missing() -> None:
    """Each command's own words come without it; ImportError would be a traceback."""
    extras = ("boto3", "docker", "grpc", "pynamodb", "pyspark")
    program = f"""
import sys
sys.modules.update(dict.fromkeys({extras!r}))
from click.testing import CliRunner
from sparkanywhere.__main__ import main
runner = CliRunner()
print([name for name in main.list_commands(None) if runner.invoke(main, [name, "--help"]).exit_code])
print(runner.invoke(main, ["connect"]).stderr)
"""

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    failed, said = ran.stdout.split("\n", 1)
    assert failed == "[]"
    assert 'pip install "sparkanywhere[connect]"' in said
