"""Spark Connect from nothing to the first row, and the queries after it, by Spark and by Sail.

The server is the one of `sparkanywhere connect`, with a control plane of its own; its client is Spark's own, in a
process that asks the same query over and over, as a notebook's does, and fetches a large result at last.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.versions import RUN_SECONDS, Version, versions

SPARK = "4.3.0"
ROUNDS = 3
ROWS = 4_000_000  # of eight bytes: 32 MB
ROWS_MB = ROWS * 8 / 1e6

QUERIES = 8  # the first two are told apart
ENGINES = {"spark": ("--executors", "2"), "sail": ("--engine", "sail", "--any-local-user")}
# Reads the URL; prints the seconds of the session, of each query, and of the large result as JSON.
CLIENT = """
import json, sys, time
from pyspark.sql import SparkSession
from pyspark.sql.connect.session import SparkSession as _
seconds, began = [], time.perf_counter()
session = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
for _ in range(int(sys.argv[2]) + 1):
    seconds.append(time.perf_counter() - began)
    began = time.perf_counter()
    session.range(1000).repartition(4).selectExpr("sum(id)").collect()
began = time.perf_counter()
assert session.range(int(sys.argv[3])).toArrow().num_rows == int(sys.argv[3])
print(json.dumps([*seconds, time.perf_counter() - began]))
"""


def ask(version: Version, spark: str, *, queries: int = QUERIES, engine: str = "spark") -> list[float]:
    """Start a server and ask it; return the seconds until its URL, of the session, each query, and a large result."""
    began = time.perf_counter()
    with subprocess.Popen(
        version.command("connect", "--until-eof", *ENGINES[engine]),
        cwd=version.tree,
        env=version.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        try:
            url = next((line.strip() for line in server.stdout or () if line.startswith("sc://")), "")
            up = time.perf_counter() - began
            return [up, *_answers(url, version.cache / "spark" / spark, queries)]
        finally:
            if server.stdin:
                server.stdin.close()  # it ends with this
            server.wait(RUN_SECONDS)


def _answers(url: str, home: Path, queries: int) -> list[float]:
    if not url:
        raise RuntimeError("Spark Connect did not start")
    (py4j,) = home.glob("python/lib/py4j-*.zip")
    ran = subprocess.run(
        [sys.executable, "-c", CLIENT, url, str(queries), str(ROWS)],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{home / 'python'}:{py4j}"},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=True,
    )
    return [float(each) for each in json.loads(ran.stdout.splitlines()[-1])]


def run() -> str:
    """Measure both engines by turns; `ROUNDS=n` times. Return the table."""
    measured: dict[str, list[list[float]]] = {engine: [] for engine in ENGINES}
    with versions("", SPARK) as (version,):
        version.warm_up(SPARK)
        ask(version, SPARK, engine="sail", queries=1)  # its packages are installed once
        for _ in range(int(os.environ.get("ROUNDS") or ROUNDS)):
            for engine, found in measured.items():
                found.append(ask(version, SPARK, engine=engine))
    lines = ["| seconds: median [min..max] | Spark, 2 executors | Sail |", "|---|--:|--:|"]
    for name, of in {
        "from nothing to the first row": lambda each: sum(each[:3]),
        "of it: control plane, pod, server, URL": lambda each: each[0],
        "of it: session": lambda each: each[1],
        "of it: first query": lambda each: each[2],
        "later queries": lambda each: statistics.median(each[4:-1]),
        f"{ROWS_MB:.0f} MB to the client": lambda each: each[-1],
    }.items():
        spreads = [[of(each) for each in found] for found in measured.values()]
        cells = [f"{statistics.median(each):.1f} [{min(each):.1f}..{max(each):.1f}]" for each in spreads]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
