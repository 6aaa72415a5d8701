"""Real Spark on a system without anything that only Linux has, as macOS is: forced here, see docs/systems.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib import system
from tests.e2e.spark_cluster import JOB_SECONDS, SparkCluster, exit_code, spark_cluster
from tests.e2e.spark_scenarios import NEWEST, TWO, Spark
from tests.waiting import until

pytestmark = [pytest.mark.spark]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SparkCluster]:
    """Yield a control plane on such a system."""
    monkeypatch.setenv(system.VARIABLE, system.EVERYTHING)  # for what clears away afterwards
    with spark_cluster(tmp_path, **system.passed_on()) as cluster:
        yield cluster


def test_a_job_outlives_a_killed_server_and_a_killed_executor(spark: Spark, cluster: SparkCluster) -> None:
    assert cluster.server.access.url.startswith("https:"), "nobody says whose connections are, so a token is asked for"
    cluster.start(spark(NEWEST), *cluster.sleepers(seconds=2, tasks=12), conf=TWO)
    cluster.executors_register(2)

    cluster.server.kill()
    cluster.server.start()
    assert len(cluster.running("executor")) == 2
    cluster.kill(cluster.running("executor")[0])

    driver = cluster.driver_ends()
    log = cluster.log(driver)
    assert exit_code(driver) == 0, log
    assert "12 tasks came back" in log
    assert "exit code 137" in log, "Spark was not told how the executor ended"
    assert driver["status"]["podIP"] == "127.0.0.1"
    until(lambda: not cluster.pods("executor"), "the executors to be gone", seconds=JOB_SECONDS)
