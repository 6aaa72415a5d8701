"""From nothing to a result, in phases: this version beside the one before it, by turns in one run.

`BEFORE=commit` names that version. `PARTS=process,docker,connect` says which parts: without it the first and the third,
which take three minutes of an idle machine. `ROUNDS=n` of the first two. Spark's own local mode is the same job without
any of us. AWS in a box is `make bench BENCH=parked`.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.connect_query import ask
from benchmarks.pi import PHASE_ROW, SLICES, SPARK
from benchmarks.versions import RUN_SECONDS, Version, versions
from sparkanywhere.spark.java_wrapper import QUICK, WrappedJava
from sparkanywhere.spark.spark_distribution import example_jar
from sparkanywhere.spark.spark_submit import SPARK_PI

ROUNDS = 3
USUAL_PARTS = "process,connect"
LOCAL_GOAL = 1.6  # make pi over local mode

Seconds = dict[str, list[float]]  # by phase, one of each run


@dataclass(slots=True)
class Kind:
    """What is measured: its phases, by version; the first of them is all of it, and has the goal."""

    name: str
    goal: float  # seconds
    by_version: dict[str, Seconds] = field(default_factory=dict)

    def add(self, version: str, seconds: dict[str, float]) -> None:
        """Take in a run of a version, by its name."""
        known = self.by_version.setdefault(version, {})
        for phase, value in seconds.items():
            known.setdefault(phase, []).append(value)

    def rows(self, names: Sequence[str]) -> Iterator[str]:
        """Yield the rows of the table, a phase each."""
        phases = dict.fromkeys(phase for name in names for phase in self.by_version.get(name, {}))
        for index, phase in enumerate(phases):
            found = [self.by_version.get(name, {}).get(phase, []) for name in names]
            medians = [statistics.median(each) for each in found if each]
            ratio = f"{medians[-1] / medians[0]:.2f}x" if len(medians) > 1 and medians[0] else ""
            what = f"**{self.name}**" if index == 0 else f"&nbsp; {phase}"
            goal = f"under {self.goal:g}" if index == 0 and self.goal else ""
            yield f"| {' | '.join([what, *map(spread, found), ratio, goal])} |"


def spread(seconds: list[float]) -> str:
    """Return a median with its range, "" of nothing."""
    if not seconds:
        return ""
    return f"{statistics.median(seconds):.1f} [{min(seconds):.1f}..{max(seconds):.1f}] ({len(seconds)})"


def run() -> str:
    """Measure the parts that are asked for; return their table."""
    parts = (os.environ.get("PARTS") or USUAL_PARTS).split(",")
    kinds: list[Kind] = []
    with versions(os.environ.get("BEFORE", ""), SPARK) as each:
        for part in parts:
            kinds += PARTS[part](each)
        return table(kinds, [version.name for version in each])


def table(kinds: Sequence[Kind], names: Sequence[str]) -> str:
    """Return the Markdown of all kinds, and what `make pi` takes of local mode's time, each way."""
    lines = [f"| seconds: median [min..max] (n) | {' | '.join(names)} | ratio | goal |", "|---|" + "---|" * len(names)]
    lines[-1] += "---|---|"
    lines += [row for kind in kinds for row in kind.rows(names)]
    walls = {kind.name: {name: _wall(kind, name) for name in names} for kind in kinds}
    for kind, goal in ((LOCAL, f"{LOCAL_GOAL}x"), (LOCAL_C1, "")):
        if PI in walls and kind in walls:
            ratios = [f"{walls[PI][name] / walls[kind][name]:.2f}x" for name in names]
            lines.append(
                f"| `make pi` over {kind.removeprefix('the same job in ')} | {' | '.join(ratios)} | | {goal} |"
            )
    return "\n".join(lines)


def _wall(kind: Kind, name: str) -> float:
    return statistics.median(next(iter(kind.by_version[name].values())))


PI, LOCAL = "`make pi`, warm, 2 executors", "the same job in Spark's local mode"
LOCAL_C1 = f"{LOCAL}, with C1 alone as `make pi` has it"


def by_process(all_versions: Sequence[Version]) -> list[Kind]:
    """Measure `make pi` on processes, and the same job in local mode, with the Java that each version prepares."""
    pi, local, quick = Kind(PI, 6.0), Kind(LOCAL, 0.0), Kind(LOCAL_C1, 0.0)
    for version in all_versions:
        version.warm_up(SPARK)
    for _ in range(rounds()):
        for version in all_versions:
            pi.add(version.name, make_pi(version))
            local.add(version.name, local_mode(version))
            quick.add(version.name, local_mode(version, "--driver-java-options", QUICK))
    return [pi, local, quick]


def by_docker(all_versions: Sequence[Version]) -> list[Kind]:
    """Measure `make pi PROVIDER=docker`."""
    kind = Kind("`make pi PROVIDER=docker`, warm", 10.0)
    with images(all_versions):
        for number in range(1 + rounds()):
            for version in all_versions:
                seconds = make_pi(version, "--provider", "docker")
                if number:
                    kind.add(version.name, seconds)
    return [kind]


def by_connect(all_versions: Sequence[Version]) -> list[Kind]:
    """Measure queries of a Spark Connect server."""
    kind = Kind("second query of a Spark Connect server", 0.5)
    for version in all_versions:
        version.warm_up(SPARK)
    for _ in range(max(1, rounds() // 2)):
        for version in all_versions:
            _, session, first, second, *more, _ = ask(version, SPARK)
            later = statistics.median(more)
            kind.add(version.name, {"second": second, "session": session, "first query": first, "later queries": later})
    return [kind]


PARTS: dict[str, Callable[[Sequence[Version]], list[Kind]]] = {
    "process": by_process,
    "docker": by_docker,
    "connect": by_connect,
}


def rounds() -> int:
    """Return how many runs of each are counted."""
    return int(os.environ.get("ROUNDS") or ROUNDS)


def make_pi(version: Version, *options: str) -> dict[str, float]:
    """Run what `make pi` runs; return its wall seconds, and those of its phases by its own account."""
    began = time.perf_counter()
    output = version.run("pi", "--spark", SPARK, "--args", SLICES, *options)
    wall = time.perf_counter() - began
    _check(output)
    lines = output.splitlines()
    row = next(number for number, line in enumerate(lines) if PHASE_ROW.match(line))
    names = re.split(r" {2,}", lines[row - 1].strip())
    seconds = map(float, re.findall(r"([\d.]+) s", lines[row]))
    return {"all": wall, **{name: value for name, value in zip(names, seconds, strict=True) if name != "total"}}


def local_mode(version: Version, *options: str) -> dict[str, float]:
    """Run the same job in Spark's local mode, as Spark starts it; return its wall seconds."""
    home = version.cache / "spark" / SPARK
    command = [str(home / "bin" / "spark-submit"), "--master", "local[2]", *options, "--class", SPARK_PI]
    environ = {**os.environ, "SPARK_HOME": str(home), "JAVA_HOME": str(WrappedJava(home).folder)}
    began = time.perf_counter()
    ran = subprocess.run(
        [*command, str(example_jar(home, SPARK)), SLICES],
        env={**environ, "SPARK_LOCAL_IP": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=True,
    )
    seconds = time.perf_counter() - began
    _check(ran.stdout)
    return {"all": seconds}


def _check(output: str) -> None:
    if "Pi is roughly 3.1" not in output:
        raise RuntimeError(f"no Pi was printed: {output[-300:]}")


@contextmanager
def images(all_versions: Sequence[Version]) -> Iterator[dict[str, str]]:
    """Yield the names of the images of the versions, each built by its own code; remove them afterwards."""
    names = {version.name: f"{version.image_repository}:{SPARK}" for version in all_versions}
    try:
        for version in all_versions:
            version.run("image", SPARK, "--again")
        yield names
    finally:
        subprocess.run(["docker", "rmi", "--force", *names.values()], check=False, capture_output=True)
