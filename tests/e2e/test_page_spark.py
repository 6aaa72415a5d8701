"""The page at `/` with a real Spark job behind it, in a real Chromium."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contexts import context_of
from tests.e2e.spark_cluster import JOB_SECONDS
from tests.functional.browser import chromium
from tests.functional.local_server import PROJECT, chalice_local
from tests.waiting import until

pytestmark = [pytest.mark.spark, pytest.mark.browser, pytest.mark.slow]

JOB = """
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
print("the sum is", spark.sparkContext.parallelize(range(1000), 4).sum())
spark.stop()
"""


def test_a_job_is_seen_from_its_driver_to_its_end(spark: Callable[[str], Path], tmp_path: Path) -> None:
    spark("4.3.0")
    job = tmp_path / "sums.py"
    job.write_text(JOB)
    with chalice_local(tmp_path / "state", "--provider", "process", "--port", "0") as server:
        server.wait_until_ready()
        command = [sys.executable, "-m", "sparkanywhere", "run", "--executors", "2", "--detach", str(job)]
        environ = {**os.environ, **context_of(server.kubeconfig), "PYTHONPATH": str(PROJECT)}
        told = subprocess.run(command, env=environ, check=True, capture_output=True, text=True, timeout=JOB_SECONDS)
        with chromium(tmp_path / "profile") as browser:
            browser.open(server.url)
            browser.wait_for("#rows", told.stdout.strip())
            browser.find("#rows a").click()

            until(lambda: "exec-2" in browser.text(".timeline"), "both executors", seconds=JOB_SECONDS)
            until(lambda: "the sum is 499500" in browser.text("pre"), "the job's output", seconds=JOB_SECONDS)
            until(lambda: "Completed, exit 0" in browser.text("#detail dl"), "its end", seconds=JOB_SECONDS)
            browser.wait_for("figcaption", "3 vCPU at most")
            assert len(browser.all(".timeline li")) == 3
            assert browser.complaints() == []
