"""How long a query of a Spark Connect server takes, of a session that has asked it something before.

The server is the one of `sparkanywhere connect`; its client is Spark's own, in a process that asks the same query over
and over, as a notebook's does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.versions import RUN_SECONDS, Version

QUERIES = 8  # the first two are told apart
# Reads the URL; prints the seconds of the session and of each query as JSON.
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
print(json.dumps(seconds))
"""


def ask(version: Version, spark: str, *, queries: int = QUERIES) -> list[float]:
    """Start a server with two executors and ask it; return the seconds of the session and of each query, in order."""
    with subprocess.Popen(
        version.command("connect", "--until-eof", "--executors", "2"),
        cwd=version.tree,
        env=version.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        try:
            lines = iter(server.stdout or ())
            url = next((line.strip() for line in lines if line.startswith("sc://")), "")
            return _answers(url, version.cache / "spark" / spark, queries)
        finally:
            if server.stdin:
                server.stdin.close()  # it ends with this
            server.wait(RUN_SECONDS)


def _answers(url: str, home: Path, queries: int) -> list[float]:
    if not url:
        raise RuntimeError("Spark Connect did not start")
    (py4j,) = home.glob("python/lib/py4j-*.zip")
    ran = subprocess.run(
        [sys.executable, "-c", CLIENT, url, str(queries)],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{home / 'python'}:{py4j}"},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=True,
    )
    return [float(each) for each in json.loads(ran.stdout.splitlines()[-1])]
