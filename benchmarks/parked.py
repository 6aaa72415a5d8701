"""A job's start on AWS in a box: its executors' tasks after their driver's, and with it, by turns in one run.

ROUNDS=n of three to four minutes each. Tasks take the 47 s that one has taken on Fargate (box_start); Spark's image is
the one that `sparkanywhere image` makes.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from dataclasses import astuple
from pathlib import Path

from benchmarks.box_start import BoxStart, measure
from chalicelib.config import Settings
from sparkanywhere.spark.spark_distribution import ensure, example_jar
from sparkanywhere.spark.spark_submit import IMAGE_HOME
from tests.aws_box.package import make_package
from tests.e2e.docker_cluster import image_for

SPARK = "4.3.0"
ROUNDS = 1
GOAL_SECONDS = 60.0
STEPS = (
    "RunTask of the driver",
    "driver RUNNING",
    "RunTask of the last executor's task",
    "executors RUNNING",
    "all registered",
    "POST of the last executor",
)


def run() -> str:
    """Measure; return the table."""
    image_for(SPARK)
    jar = example_jar(ensure(SPARK, cache=Settings.from_env(os.environ).cache_dir(), environ=os.environ), SPARK)
    program, image = f"local://{IMAGE_HOME}/examples/jars/{jar.name}", f"sparkanywhere/spark:{SPARK}"
    after, beside = list[BoxStart](), list[BoxStart]()
    with tempfile.TemporaryDirectory() as name:
        package = make_package(Path(name) / "package")
        for number in range(int(os.environ.get("ROUNDS") or ROUNDS)):
            for parks, found in ((False, after), (True, beside)):
                folder = Path(name) / f"{parks}-{number}"
                folder.mkdir()
                found.append(measure(package, folder, image=image, jar=program, parks=parks))
    lines = [
        "| seconds after the POST of the driver: median (n) | after it | with it | ratio | goal |",
        "|---|---|---|---|---|",
    ]
    for step, *pair in zip(STEPS, _medians(after), _medians(beside), strict=True):
        goal = f"under {GOAL_SECONDS:g}" if step == "all registered" else ""
        cells = [f"{each:.1f} ({len(after)})" for each in pair]
        lines.append(f"| {step} | {' | '.join(cells)} | {pair[1] / pair[0]:.2f}x | {goal} |")
    waits = [
        statistics.median(each.executors_run - each.executors_wanted for each in found) for found in (after, beside)
    ]
    cells = [f"{each:.1f} ({len(after)})" for each in waits]
    lines.append(f"| from that POST to executors RUNNING | {' | '.join(cells)} | {waits[1] / waits[0]:.2f}x |  |")
    return "\n".join(lines)


def _medians(starts: list[BoxStart]) -> list[float]:
    return [statistics.median(each) for each in zip(*map(astuple, starts), strict=True)]
