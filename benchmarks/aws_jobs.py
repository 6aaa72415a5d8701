"""Where the ceiling is for ten jobs of 1,000 executors at once: what one executor takes of each thing that is scarce.

Ten drivers ask for a thousand executors together, as in aws_launch, and nothing may get lost or be doubled. What each
has taken is multiplied: ten thousand would take two cores longer than AWS takes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks import aws_launch
from benchmarks.aws_launch import EXECUTORS, LAUNCH_BURST, LAUNCHES_PER_SECOND, REQUEST_SECONDS
from benchmarks.aws_writes import requests_of_a_driver
from tests.aws_box.package import make_package

JOBS, EACH = 10, 1000
WANTED_SECONDS = 600.0


def run() -> str:
    """Return the table. Raises RuntimeError if an executor was lost or launched twice."""
    with tempfile.TemporaryDirectory() as name:
        taken = aws_launch.measured(make_package(Path(name) / "package"), Path(name) / "jobs", JOBS)
    if taken.without_task or taken.beyond:
        raise RuntimeError(f"{taken.without_task} pods are without a task, {taken.beyond} tasks are too many")
    transactions = taken.transactions / EXECUTORS
    launch = taken.launch_seconds()
    answer = taken.answer_seconds(len(requests_of_a_driver()))
    per_second = 1 / (2 * REQUEST_SECONDS)  # one reads the store's row and one writes it, each after the one before
    rows = [
        ("launches that ECS takes", 1.0, LAUNCHES_PER_SECOND, (JOBS * EACH - LAUNCH_BURST) / LAUNCHES_PER_SECOND),
        ("transactions, one after the other", transactions, per_second, transactions * JOBS * EACH / per_second),
        ("launches by the processor of the launch function", 1.0, 1 / launch, JOBS * EACH * launch),
        ("answers to each of the drivers, at least", 1.0, 1 / answer, EACH * answer),
    ]
    head = f"| {JOBS} jobs of {EACH:,} executors at once | each executor | at most a second | all after |"
    lines = [f"| {what} | {each:.1f} | {most:.1f} | {seconds:.0f} s |" for what, each, most, seconds in rows]
    found = max(rows, key=lambda row: row[3])
    verdict = "within" if found[3] <= WANTED_SECONDS else "not within"
    return "\n".join(
        [
            head,
            "|---|--:|--:|--:|",
            *lines,
            "",
            f"Counted on {EXECUTORS:,} executors of {JOBS} drivers, which reached RunTask after {taken.seconds:.0f} s, "
            f"{taken.schedules} runs of the schedule included; none was lost or doubled. The ceiling is: {found[0]}; "
            f"so they start {verdict} ten minutes.",
        ]
    )
