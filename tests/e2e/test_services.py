"""`sparkanywhere connect` and `history` with real Spark behind them, on local processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contexts import context_of
from tests.e2e.spark_cluster import JOB_SECONDS, JOBS, SparkCluster
from tests.functional.local_server import PROJECT
from tests.waiting import until

pytestmark = [pytest.mark.spark, pytest.mark.slow]

Spark = Callable[[str], Path]
JOB = "from pyspark.sql import SparkSession\nSparkSession.builder.getOrCreate().range(10).count()\n"
SMALL = ("--executors", "1", "--executor-memory", "512m", "--driver-memory", "512m")
# Long beside the moment between the URL and a client that waits for it, short to wait for.
IDLE_MINUTES = "0.5"


def sparkanywhere(cluster: SparkCluster, *arguments: str) -> str:
    """Run a command to its end; return what it printed."""
    environ = {**os.environ, **context_of(cluster.server.kubeconfig), "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-m", "sparkanywhere", *arguments]
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=JOB_SECONDS, check=False)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return ran.stdout.strip()


def client(home: Path) -> subprocess.Popen[str]:
    """Start a client that waits for a URL."""
    (py4j,) = home.glob("python/lib/py4j-*.zip")
    environ = {**os.environ, "PYTHONPATH": f"{home / 'python'}:{py4j}"}
    return subprocess.Popen(
        [sys.executable, str(JOBS / "connect_client.py")],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_connect_server_asks_for_its_token_and_ends_when_nobody_uses_it(spark: Spark, cluster: SparkCluster) -> None:
    home = spark("4.3.0")
    with client(home) as right, client(home) as wrong:
        url = sparkanywhere(cluster, "connect", *SMALL, "--idle", IDLE_MINUTES)
        said, _ = right.communicate(f"{url}\n", timeout=JOB_SECONDS)
        refusal, _ = wrong.communicate(f"{url.partition('token=')[0]}token=wrong\n", timeout=JOB_SECONDS)

    assert "the sum is 499500" in said
    assert "UNAUTHENTICATED" in refusal
    driver = cluster.driver_ends()
    assert driver["status"]["phase"] == "Succeeded"
    assert "Nobody has used this server for 30 s" in cluster.log(driver)


def test_a_job_that_has_ended_is_in_the_history_and_one_server_is_enough(
    spark: Spark, cluster: SparkCluster, tmp_path: Path
) -> None:
    spark("4.3.0")
    job = tmp_path / "counts.py"
    job.write_text(JOB)
    sparkanywhere(cluster, "run", *SMALL, "--output", "json", str(job))

    url = sparkanywhere(cluster, "history")

    until(lambda: [each["name"] for each in applications(url)] == ["counts"], "the job", seconds=JOB_SECONDS)
    assert applications(url)[0]["attempts"][0]["completed"]
    assert sparkanywhere(cluster, "history") == url
    sparkanywhere(cluster, "history", "--stop")
    until(lambda: not cluster.pods(), "the server to be gone")


def applications(url: str) -> list[Any]:  # Any: the history server's own JSON
    """Return what a history server lists."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}/api/v1/applications", timeout=JOB_SECONDS) as answer:
        return list(json.load(answer))
