"""`make pi PROVIDER=docker` against the same SparkPi on Spark's own local-cluster in one container of that image."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from benchmarks.pi import RUN_SECONDS, SLICES, SPARK, Walls, phases
from sparkanywhere.cli.spark_commands import built, installed
from sparkanywhere.project import PROJECT
from sparkanywhere.spark.spark_distribution import example_jar
from sparkanywhere.spark.spark_submit import IMAGE_HOME, SPARK_PI

ROUNDS = 2  # of each, by turns
GOAL = 1.5  # make pi over local-cluster in one container


def run() -> str:
    """Measure warm runs by turns; return the table of walls and the phases of the last make pi."""
    image = built(SPARK)
    jar = f"{IMAGE_HOME}/examples/jars/{example_jar(installed(SPARK), SPARK).name}"
    ours = Walls("make pi PROVIDER=docker", make_pi)
    theirs = Walls("local-cluster[2,1,1024] in one container", lambda: local_cluster(image, jar))
    job = Walls("of that, submit to result", str)
    for _ in range(ROUNDS):
        theirs.once()
        ours.once()
        job.seconds.append(ours.seconds[-1] - around(ours.output))
    return table(ours, job, theirs)


def around(output: str) -> float:
    """Return the seconds that make pi spent before the submission and after the result, by its own account."""
    names, times = phases(output)
    spent = dict(zip(re.split(r" {2,}", names.strip()), re.findall(r"([\d.]+) s", times), strict=True))
    return float(spent["control plane"]) + float(spent["clean-up"])


def table(ours: Walls, job: Walls, theirs: Walls) -> str:
    """Return the Markdown of what was measured."""
    lines = [
        "| SparkPi 100, 2 executors | seconds: median [min..max] (n) | relative to local-cluster | goal |",
        "|---|---|---|---|",
        _row(theirs, "", ""),
        _row(ours, f"{ours.median / theirs.median:.2f}x", ""),
        _row(job, f"{job.median / theirs.median:.2f}x", f"{GOAL}x"),
    ]
    return "\n".join([*lines, "", "Phases of the last `make pi`:", "", "```", *phases(ours.output), "```"])


def _row(walls: Walls, ratio: str, goal: str) -> str:
    spread = f"{min(walls.seconds):.1f}..{max(walls.seconds):.1f}"
    return f"| {walls.name} | {walls.median:.1f} [{spread}] ({len(walls.seconds)}) | {ratio} | {goal} |"


def make_pi() -> str:
    """Run what `make pi PROVIDER=docker` runs; return what it printed."""
    command = [sys.executable, "-m", "sparkanywhere", "pi", "--provider", "docker"]
    return _output([*command, "--spark", SPARK, "--args", SLICES])


def local_cluster(image: str, jar: str) -> str:
    """Run the same SparkPi on Spark's own miniature cluster in a container; return what it printed."""
    command = ["docker", "run", "--rm", "--init", "--env", "SPARK_WORKER_DIR=/tmp/work"]
    command += ["--entrypoint", f"{IMAGE_HOME}/bin/spark-submit", image]
    return _output([*command, "--master", "local-cluster[2,1,1024]", "--class", SPARK_PI, jar, SLICES])


def _output(command: list[str]) -> str:
    ran = subprocess.run(
        command, cwd=PROJECT, env=dict(os.environ), capture_output=True, text=True, timeout=RUN_SECONDS, check=True
    )
    return ran.stdout + ran.stderr  # ours prints its phases on stderr
