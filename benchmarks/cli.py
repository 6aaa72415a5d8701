"""What the command line takes: --help, ps, the first line of `run`, and `run` beside its pods' own time.

Each by turns with what it is compared with: an empty Python, and kubectl where there is one. Processor seconds hardly
depend on what else the machine does.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sparkanywhere.cli.spark_commands import installed
from sparkanywhere.jobs.job_fields import DEFAULT_SPARK
from sparkanywhere.local.local_server import LocalServer, ServerOptions
from sparkanywhere.project import PROJECT

ROUNDS = 9  # by turns, so that a busy minute of the machine meets all of them
RUN_ROUNDS = 5  # of a job, which takes seconds
RUN_SECONDS = 300
PODS_PHASES = ("driver", "executors", "job")  # of `run`: what its pods take
FIRST_LINE = "`sparkanywhere run`: its first line"
BEYOND = "`sparkanywhere run`: beyond its pods' time"
GOALS = {"`--help`": "0.15", "`sparkanywhere ps`": "0.40", FIRST_LINE: "0.30", BEYOND: "0.70"}
OURS = (sys.executable, "-m", "sparkanywhere")


@dataclass(slots=True)
class Row:
    """What was measured of one thing: wall seconds, and processor seconds where the command does nothing else."""

    goal: str = ""
    walls: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


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


def measured(program: Path, environ: Mapping[str, str], server: LocalServer) -> dict[str, Row]:
    """Return what was measured, by what it is of."""
    commands = {
        "an empty Python": [sys.executable, "-c", "pass"],
        "`--help`": [*OURS, "--help"],
        "`sparkanywhere ps`": [*OURS, "ps"],
    }
    if kubectl := shutil.which("kubectl"):
        commands["`kubectl get pods`"] = [kubectl, "--kubeconfig", str(server.kubeconfig), "get", "pods"]
    rows = {name: Row(GOALS.get(name, "")) for name in (*commands, FIRST_LINE, BEYOND)}
    for number in range(ROUNDS + 1):
        for name, command in commands.items():
            wall, processor = once(command, environ)
            if number:  # the first of each pays for caches
                rows[name].walls.append(wall)
                rows[name].processor.append(processor)
    for _ in range(RUN_ROUNDS):
        first, beyond = job(program, environ)
        rows[FIRST_LINE].walls.append(first)
        rows[BEYOND].walls.append(beyond)
    return rows


def once(command: list[str], environ: Mapping[str, str]) -> tuple[float, float]:
    """Return the wall and the processor seconds that a command takes."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=PROJECT, env=environ, capture_output=True, timeout=RUN_SECONDS, check=True)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


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


def table(rows: Mapping[str, Row]) -> str:
    """Return the Markdown of what was measured."""
    lines = ["| what | seconds: median [min..max] (n) | processor seconds | goal |", "|---|---|---|---|"]
    for name, row in rows.items():
        spread = f"{statistics.median(row.walls):.2f} [{min(row.walls):.2f}..{max(row.walls):.2f}] ({len(row.walls)})"
        processor = f"{statistics.median(row.processor):.2f}" if row.processor else ""
        lines.append(f"| {name} | {spread} | {processor} | {row.goal} |")
    return "\n".join(lines)
