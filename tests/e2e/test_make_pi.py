"""`make pi` as a person runs it: what it prints, how it ends, and that it leaves nothing."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sparkanywhere.project import PROJECT
from tests.e2e.spark_cluster import JOB_SECONDS, JOBS, processes_below
from tests.waiting import until

pytestmark = [pytest.mark.spark, pytest.mark.slow]

Spark = Callable[[str], Path]


DEAF = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")  # what a script starts behind `&` ignores Ctrl-C


def start_pi(
    state: Path, *options: str, before: tuple[str, ...] = (), stderr: int = subprocess.STDOUT
) -> subprocess.Popen[str]:
    """Start what `make pi` runs, with its state under `state`."""
    return subprocess.Popen(
        [*before, sys.executable, "-m", "sparkanywhere", "pi", *options],
        cwd=PROJECT,
        env={**os.environ, "SPARKANYWHERE_STATE": str(state), "PYTHONPATH": str(PROJECT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


def end_of(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for the end; return the exit code and what was printed."""
    output, _ = process.communicate(timeout=JOB_SECONDS)
    return process.returncode, output


def is_clear(state: Path) -> bool:
    """Return whether nothing is left: no instance, no process."""
    return not processes_below(state) and (not state.exists() or list(state.iterdir()) == [])


def test_pi_is_printed_alone_and_told_of_with_its_pods_and_phases(spark: Spark, tmp_path: Path) -> None:
    """Without a line of Spark's log: what is told comes from its REST API."""
    spark("4.3.0")
    quiet = ("--conf", "spark.log.level=ERROR")

    process = start_pi(tmp_path / "state", "--args", "10", *quiet, stderr=subprocess.PIPE)
    output, told = process.communicate(timeout=JOB_SECONDS)

    assert process.returncode == 0, told
    assert re.fullmatch(r"Pi is roughly 3\.1\d*\n", output)
    assert "executors  2/2" in told
    assert "exec-2" in told
    assert "control plane  submit  driver  executors" in told
    assert is_clear(tmp_path / "state")


@pytest.mark.parametrize("submitted_by", [(), ("--spark-submit",)], ids=["us", "spark-submit"])
def test_the_exit_code_is_that_of_the_program(submitted_by: tuple[str, ...], spark: Spark, tmp_path: Path) -> None:
    spark("4.3.0")
    program = tmp_path / "fails.py"
    program.write_text("print('about to fail')\nraise SystemExit(3)\n")

    code, output = end_of(start_pi(tmp_path / "state", "--example", str(program), *submitted_by))

    assert code == 3, output
    assert "about to fail" in output
    assert "Failed, exit code 3" in output
    assert is_clear(tmp_path / "state")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(number: signal.Signals, spark: Spark, tmp_path: Path) -> None:
    """Also where a script started it in the background, and so with SIGINT ignored."""
    spark("4.3.0")
    state = tmp_path / "state"
    options = ("--example", str(JOBS / "sleepers.py"), "--args", "120 2", "--instances", "1")
    process = start_pi(state, *options, before=DEAF)
    until(lambda: len(processes_below(state)) >= 2, "driver and executor to run", seconds=JOB_SECONDS)

    process.send_signal(number)

    code, output = end_of(process)
    assert code == 130, output
    assert is_clear(state)


def test_a_port_that_is_taken_is_told_in_one_sentence(spark: Spark, tmp_path: Path) -> None:
    spark("4.3.0")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        code, output = end_of(start_pi(tmp_path / "state", "--port", port))

    assert code == 1
    assert output.count("\n") <= 2, output
    assert port in output
    assert "address already in use" in output.lower()
    assert is_clear(tmp_path / "state")
