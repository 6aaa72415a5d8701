"""A job's start on AWS in a box: executors' tasks after their driver's, with it, and warm ones, one after the other.

A round takes some five minutes, and there are `ROUNDS=n`, 1 if not set. Tasks take the 47 s that one has taken on
Fargate (box_start).
"""

from __future__ import annotations

import os
import statistics
import tempfile
from dataclasses import astuple, dataclass, field
from pathlib import Path

from benchmarks.box_start import BoxStart, measure, package_of
from benchmarks.start import images
from benchmarks.versions import versions
from sparkanywhere.spark.spark_distribution import example_jar
from sparkanywhere.spark.spark_submit import IMAGE_HOME

SPARK = "4.3.0"
ROUNDS = 1
GOAL = "under 60, warm under 5"
STEPS = (
    "RunTask of the driver",
    "driver RUNNING",
    "RunTask of the last executor's task",
    "executors RUNNING",
    "all registered",
    "POST of the last executor",
)
FROM_POST = "from that POST to all registered"


@dataclass(frozen=True, slots=True)
class Way:
    """How executors' tasks start in a column of the table, and the starts that were measured."""

    title: str
    parks: bool
    is_warm: bool = False
    starts: list[BoxStart] = field(default_factory=list)

    def cells(self) -> list[str]:
        """Return the median of each step, and of what lies between the last executor's POST and the registrations."""
        rows = [(*astuple(each), each.registered - each.executors_wanted) for each in self.starts]
        return [f"{statistics.median(each):.1f} ({len(rows)})" for each in zip(*rows, strict=True)]


def run() -> str:
    """Measure; return the table."""
    with versions("", SPARK) as (version,), images([version]) as names, tempfile.TemporaryDirectory() as name:
        ways = [Way("after it", parks=False), Way("with it", parks=True), Way("warm", parks=True, is_warm=True)]
        package = package_of(version, Path(name) / "package")
        jar = example_jar(version.cache / "spark" / SPARK, SPARK)
        for number in range(int(os.environ.get("ROUNDS") or ROUNDS)):
            for way in ways:
                folder = Path(name) / f"{way.title}-{number}"
                folder.mkdir()
                found = measure(
                    package,
                    folder,
                    image=names[version.name],
                    jar=f"local://{IMAGE_HOME}/examples/jars/{jar.name}",
                    parks=way.parks,
                    is_warm=way.is_warm,
                )
                way.starts.append(found)
    lines = [
        f"| seconds after the POST of the driver: median (n) | {' | '.join(each.title for each in ways)} | goal |",
        "|---|" + "---|" * len(ways) + "---|",
    ]
    for step, *cells in zip((*STEPS, FROM_POST), *(each.cells() for each in ways), strict=True):
        goal = GOAL if step == "all registered" else ""
        lines.append(f"| {step} | {' | '.join(cells)} | {goal} |")
    return "\n".join(lines)
