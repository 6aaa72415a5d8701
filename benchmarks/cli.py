"""What the command line takes: --help, ps, the first line of `run`, and `run` beside its pods' own time.

Each by turns with what it is compared with: an empty Python, and kubectl where there is one.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sparkanywhere.cli.spark_commands import installed
from sparkanywhere.jobs.job_fields import DEFAULT_SPARK
from sparkanywhere.local.local_server import LocalServer, ServerOptions
from sparkanywhere.project import PROJECT

ROUNDS = 9  # by turns, so that a busy minute of the machine meets all of them
RUN_ROUNDS = 5  # of a job, which takes seconds
RUN_SECONDS = 300
PODS_PHASES = ("driver", "executors", "job")  # of `run`: what its pods take
OURS = (sys.executable, "-m", "sparkanywhere")


def run() -> str:
    """Measure against a local server with a state of its own; return the table."""
    installed(DEFAULT_SPARK)
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "hello.py")
        program.write_text('print("hello")\n')
        server = LocalServer(ServerOptions(Path(folder, "state"), "default"), os.environ)
        server.start()
        try:
            return table(measured(program, {**os.environ, "SPARKANYWHERE_STATE": str(Path(folder, "state"))}, server))
        finally:
            server.stop()


def measured(program: Path, environ: Mapping[str, str], server: LocalServer) -> dict[str, tuple[list[float], str]]:
    """Return for each thing that is measured the seconds it took, and its goal in words."""
    quick: dict[str, tuple[Callable[[], float], str]] = {
        "an empty Python": (lambda: wall([sys.executable, "-c", "pass"], environ), ""),
        "`sparkanywhere --help`": (lambda: wall([*OURS, "--help"], environ), "0.15"),
        "`sparkanywhere ps`": (lambda: wall([*OURS, "ps"], environ), "0.40"),
    }
    if kubectl := shutil.which("kubectl"):
        command = [kubectl, "--kubeconfig", str(server.kubeconfig), "get", "pods"]
        quick["`kubectl get pods`"] = (lambda: wall(command, environ), "")
    found: dict[str, tuple[list[float], str]] = {name: ([], goal) for name, (_, goal) in quick.items()}
    for number in range(ROUNDS + 1):
        for name, (once, _) in quick.items():
            seconds = once()
            if number:  # the first of each pays for caches
                found[name][0].append(seconds)
    jobs = [job(program, environ) for _ in range(RUN_ROUNDS)]
    found["`sparkanywhere run`: its first line"] = ([first for first, _ in jobs], "0.30")
    found["`sparkanywhere run`: beyond its pods' time"] = ([beyond for _, beyond in jobs], "0.70")
    return found


def wall(command: list[str], environ: Mapping[str, str]) -> float:
    """Return the seconds that a command takes."""
    begin = time.perf_counter()
    subprocess.run(command, cwd=PROJECT, env=environ, capture_output=True, timeout=RUN_SECONDS, check=True)
    return time.perf_counter() - begin


def job(program: Path, environ: Mapping[str, str]) -> tuple[float, float]:
    """Run a job; return the seconds until its first line, and those that it took beyond its pods'."""
    begin = time.perf_counter()
    with subprocess.Popen(
        [*OURS, "run", "--executors", "1", "--output", "json", str(program)],
        cwd=PROJECT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stderr.readline()
        first = time.perf_counter() - begin
        said, _ = process.communicate(timeout=RUN_SECONDS)
        took = time.perf_counter() - begin
    phases = json.loads(said)["phase_seconds"]
    return first, took - sum(phases[each] for each in PODS_PHASES)


def table(found: Mapping[str, tuple[list[float], str]]) -> str:
    """Return the Markdown of what was measured."""
    lines = ["| what | seconds: median [min..max] (n) | goal |", "|---|---|---|"]
    for name, (seconds, goal) in found.items():
        spread = f"{statistics.median(seconds):.2f} [{min(seconds):.2f}..{max(seconds):.2f}] ({len(seconds)})"
        lines.append(f"| {name} | {spread} | {goal} |")
    return "\n".join(lines)
