"""The page at `/` with a real Spark job behind it, in a real Chromium."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.contexts import context_of
from tests.e2e.spark_cluster import JOB_SECONDS
from tests.functional.browser import Browser, chromium, press_for_a_window
from tests.functional.local_server import PROJECT, chalice_local
from tests.waiting import until

pytestmark = [pytest.mark.spark, pytest.mark.browser, pytest.mark.slow]

# It ends once it has been looked at.
JOB = """
import os, sys, time
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
print("the sum is", spark.sparkContext.parallelize(range(1000), 4).sum(), flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.2)
spark.stop()
"""


def look_into_spark(browser: Browser, button: str, *, at: str) -> None:
    """Press the link to Spark's own page, look at executors there, whose table is made by a script, and come back."""
    ours = browser.driver.current_window_handle

    until(lambda: press_for_a_window(browser, button), button, seconds=JOB_SECONDS)
    browser.driver.switch_to.window(next(each for each in browser.driver.window_handles if each != ours))
    browser.wait_for("#completedJob-table", "sum at")
    assert at in browser.driver.current_url
    browser.find("a[href$='/executors/']").click()
    browser.wait_for("#active-executors-table", "driver")
    assert browser.complaints() == []
    browser.driver.close()
    browser.driver.switch_to.window(ours)


def test_a_job_is_seen_from_its_driver_to_its_end(spark: Callable[[str], Path], tmp_path: Path) -> None:
    spark("4.3.0")
    job, seen = tmp_path / "sums.py", tmp_path / "seen"
    job.write_text(JOB)
    with chalice_local(tmp_path / "state", "--provider", "process", "--port", "0") as server:
        server.wait_until_ready()
        command = [sys.executable, "-m", "sparkanywhere", "run", "--executors", "2", "--detach", str(job), str(seen)]
        environ = {**os.environ, **context_of(server.kubeconfig), "PYTHONPATH": str(PROJECT)}
        told = subprocess.run(command, env=environ, check=True, capture_output=True, text=True, timeout=JOB_SECONDS)
        with chromium(tmp_path / "profile") as browser:
            browser.open(server.url)
            browser.wait_for("#rows", told.stdout.strip())
            browser.find("#rows a").click()

            until(lambda: "exec-2" in browser.text(".timeline"), "both executors", seconds=JOB_SECONDS)
            until(lambda: "the sum is 499500" in browser.text("pre"), "the job's output", seconds=JOB_SECONDS)
            look_into_spark(browser, "Spark UI", at="/jobs/")
            seen.touch()
            until(lambda: "Completed, exit 0" in browser.text("#detail dl"), "its end", seconds=JOB_SECONDS)
            browser.wait_for("figcaption", "3 vCPU at most")
            assert len(browser.all(".timeline li")) == 3
            assert browser.complaints() == []
            look_into_spark(browser, "Spark history", at="/history/spark-")
        pods = f"{server.url}/api/v1/namespaces/default/pods"
        requests.delete(pods, params={"labelSelector": "sparkanywhere.io/service=history"}, timeout=30)
        until(lambda: requests.get(pods, timeout=30).text.count("spark-history-") == 0, "the history server to go")
