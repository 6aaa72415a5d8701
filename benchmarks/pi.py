"""`make pi` against the same SparkPi by `spark-submit --master local-cluster[2,1,1024]`, side by side."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sparkanywhere.cli.spark_commands import installed
from sparkanywhere.project import PROJECT
from sparkanywhere.spark.java_wrapper import WrappedJava
from sparkanywhere.spark.spark_distribution import example_jar
from sparkanywhere.spark.spark_submit import SPARK_PI

SPARK = "4.3.0"
ROUNDS = 5  # of each, by turns, so that a busy minute of the machine meets all of them
SLICES = "100"
GOAL = 1.35  # make pi over local-cluster
RUN_SECONDS = 600  # a run takes 10 to 20 s; a hang gets an end
PHASE_ROW = re.compile(r"^ *(?:[\d.]+ s +)+[\d.]+ s$")


@dataclass(slots=True)
class Walls:
    """Wall seconds of the runs of one kind."""

    name: str
    run: Callable[[], str]
    seconds: list[float] = field(default_factory=list)
    output: str = ""

    def once(self) -> None:
        """Run once more; raises if Pi did not come out."""
        begin = time.perf_counter()
        self.output = self.run()
        self.seconds.append(time.perf_counter() - begin)
        if "Pi is roughly 3.1" not in self.output:
            raise RuntimeError(f"{self.name} printed no Pi: {self.output[-300:]}")

    @property
    def median(self) -> float:
        """Return the median of the seconds."""
        return statistics.median(self.seconds)


def run() -> str:
    """Measure warm runs by turns; return the table of walls and ratios, and the phases of the last make pi."""
    home = installed(SPARK)
    kinds = [
        Walls("make pi", make_pi),
        Walls("local-cluster[2,1,1024], the machine's own Java", lambda: local_cluster(home, plain(home))),
        Walls("local-cluster[2,1,1024], Java behind our wrapper", lambda: local_cluster(home, home / "java")),
    ]
    make_pi()  # the first run of all pays for caches
    for _ in range(ROUNDS):
        for kind in kinds:
            kind.once()
    return table(kinds)


def table(kinds: list[Walls]) -> str:
    """Return the Markdown of what was measured; the first kind is compared with the others."""
    ours = kinds[0]
    lines = ["| SparkPi 100, 2 executors | seconds: median [min..max] (n) | make pi is | goal |", "|---|---|---|---|"]
    for kind in kinds:
        ratio = "" if kind is ours else f"{ours.median / kind.median:.2f}x"
        spread = f"{min(kind.seconds):.1f}..{max(kind.seconds):.1f}"
        goal = f"{GOAL}x" if kind is kinds[1] else ""
        lines.append(f"| {kind.name} | {kind.median:.1f} [{spread}] ({len(kind.seconds)}) | {ratio} | {goal} |")
    return "\n".join([*lines, "", "Phases of the last `make pi`:", "", "```", *phases(ours.output), "```"])


def phases(output: str) -> list[str]:
    """Return the two lines of the phase table in what `make pi` printed."""
    lines = output.splitlines()
    rows = [number for number, line in enumerate(lines) if PHASE_ROW.match(line)]
    return lines[rows[-1] - 1 : rows[-1] + 1] if rows else ["(no phases were printed)"]


def make_pi() -> str:
    """Run what `make pi` runs; return what it printed."""
    command = [sys.executable, "-m", "sparkanywhere", "pi", "--spark", SPARK, "--args", SLICES]
    return _output(command, dict(os.environ))


def local_cluster(home: Path, java_home: Path) -> str:
    """Run the same SparkPi on Spark's own miniature cluster; return what it printed."""
    command = [str(home / "bin" / "spark-submit"), "--master", "local-cluster[2,1,1024]"]
    command += ["--class", SPARK_PI, str(example_jar(home, SPARK)), SLICES]
    with tempfile.TemporaryDirectory() as work:  # else Spark leaves its executors' folders in SPARK_HOME
        environ = {
            **os.environ,
            "SPARK_HOME": str(home),
            "JAVA_HOME": str(java_home),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_WORKER_DIR": work,
        }
        return _output(command, environ)


def plain(home: Path) -> Path:
    """Return the home of the Java itself, without our wrapper."""
    return WrappedJava(home).real


def _output(command: list[str], environ: dict[str, str]) -> str:
    ran = subprocess.run(
        command, cwd=PROJECT, env=environ, capture_output=True, text=True, timeout=RUN_SECONDS, check=True
    )
    return ran.stdout + ran.stderr  # ours prints its phases on stderr
