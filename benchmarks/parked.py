"""A job's start on AWS in a box: executors' tasks after their driver's, with it, and warm ones, one after the other.

`BEFORE=commit` takes that version for the first, as `make bench BENCH=start` does. A round takes some five minutes, and
there are `ROUNDS=n`, 1 if not set. Tasks take the 47 s that one has taken on Fargate (box_start).
"""

from __future__ import annotations

import os
import statistics
import tempfile
from dataclasses import astuple, dataclass, field
from pathlib import Path

from benchmarks.box_start import BoxStart, measure, package_of
from benchmarks.start import images
from benchmarks.versions import Version, versions
from sparkanywhere.spark.spark_distribution import example_jar
from sparkanywhere.spark.spark_submit import IMAGE_HOME

SPARK = "4.3.0"
ROUNDS = 1
GOAL_SECONDS, BOUND_GOAL_SECONDS = 60.0, 5.0
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
    version: Version
    parks: bool
    is_warm: bool = False
    starts: list[BoxStart] = field(default_factory=list)

    def cells(self) -> list[str]:
        """Return the median of each step, and of what lies between the last executor's POST and the registrations."""
        rows = [(*astuple(each), each.registered - each.executors_wanted) for each in self.starts]
        return [f"{statistics.median(each):.1f} ({len(rows)})" for each in zip(*rows, strict=True)]


def run() -> str:
    """Measure; return the table."""
    before = os.environ.get("BEFORE", "")
    with versions(before, SPARK) as known, images(known) as names, tempfile.TemporaryDirectory() as name:
        old, now = known[0], known[-1]
        ways = [
            Way(before or "after it", old, parks=bool(before)),
            Way("with it", now, parks=True),
            Way("warm", now, parks=True, is_warm=True),
        ]
        packages = {each.name: package_of(each, Path(name) / each.name) for each in known}
        for number in range(int(os.environ.get("ROUNDS") or ROUNDS)):
            for way in ways:
                folder = Path(name) / f"{way.title}-{number}"
                folder.mkdir()
                jar = example_jar(way.version.cache / "spark" / SPARK, SPARK)
                found = measure(
                    packages[way.version.name],
                    folder,
                    image=names[way.version.name],
                    jar=f"local://{IMAGE_HOME}/examples/jars/{jar.name}",
                    parks=way.parks,
                    is_warm=way.is_warm,
                )
                way.starts.append(found)
    goals = {"all registered": GOAL_SECONDS, FROM_POST: BOUND_GOAL_SECONDS}
    lines = [
        f"| seconds after the POST of the driver: median (n) | {' | '.join(each.title for each in ways)} | goal |",
        "|---|" + "---|" * len(ways) + "---|",
    ]
    for step, *cells in zip((*STEPS, FROM_POST), *(each.cells() for each in ways), strict=True):
        goal = f"under {goals[step]:g}" if step in goals else ""
        lines.append(f"| {step} | {' | '.join(cells)} | {goal} |")
    return "\n".join(lines)
