"""What a JVM of Spark's takes from start to end, by what Java is told, for jobs of several lengths."""

from __future__ import annotations

import os
import statistics
import subprocess
from collections import defaultdict

from benchmarks.pi import SPARK
from sparkanywhere.cli.spark_commands import installed
from sparkanywhere.spark.java_wrapper import DELAYED_C2, QUICK, WrappedJava, class_path
from sparkanywhere.spark.spark_distribution import example_jar
from sparkanywhere.spark.spark_submit import SPARK_PI

ROUNDS = 5  # of each, by turns
PARTITIONS = (2, 200, 2000)
RUN_SECONDS = 600
# What Spark's launcher adds for Java 17 and later, as far as SparkPi needs it.
OPENED = ("java.lang", "java.lang.invoke", "java.nio", "java.util", "java.util.concurrent", "sun.nio.ch")


def run() -> str:
    """Run SparkPi in one JVM, local[2], by turns; return the table of medians."""
    home = installed(SPARK)
    shared = [f"-XX:SharedArchiveFile={WrappedJava(home).archive}", "-Xlog:cds=off"]
    kinds = {
        "Java as it is": [],
        "archive of classes": shared,
        "archive, C2 put off (ours)": [*shared, *DELAYED_C2.split()],
        "archive, C1 alone": [*shared, QUICK],
    }
    seconds: dict[tuple[str, int], list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for partitions in PARTITIONS:
            for name, options in kinds.items():
                command = [str(WrappedJava(home).real / "bin" / "java"), *options, "-Xmx1g"]
                command += [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
                command += ["-Dspark.master=local[2]", "-Dspark.app.name=pi", "-Dspark.driver.host=127.0.0.1"]
                command += ["-cp", f"{class_path(home, home)}:{example_jar(home, SPARK)}", SPARK_PI, str(partitions)]
                seconds[name, partitions].append(_processor_seconds(command))
    title = " | ".join(f"{partitions:,} partitions" for partitions in PARTITIONS)
    lines = [f"| processor seconds: median [min..max] ({ROUNDS}) | {title} |", "|---|" + "--:|" * len(PARTITIONS)]
    for name in kinds:
        found = (seconds[name, partitions] for partitions in PARTITIONS)
        cells = (f"{statistics.median(each):.1f} [{min(each):.1f}..{max(each):.1f}]" for each in found)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _processor_seconds(command: list[str]) -> float:
    before = os.times()
    ran = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS, check=True)
    if "Pi is roughly 3.1" not in ran.stdout:
        raise RuntimeError(f"SparkPi printed no Pi: {ran.stderr[-300:]}")
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system
