"""Real Spark, stock and unmodified, in container groups of a stand-in for Azure."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.azure_box.box import Faults
from tests.e2e.azure_cluster import AzureCluster, azure_cluster
from tests.e2e.docker_cluster import image_for
from tests.e2e.spark_cluster import JOB_SECONDS, exit_code
from tests.e2e.spark_scenarios import NEWEST, TWO, Spark, run_pi
from tests.waiting import until

pytestmark = [pytest.mark.docker, pytest.mark.image, pytest.mark.spark, pytest.mark.slow]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureCluster]:
    """Yield the control plane that the tests of this module share."""
    image_for(NEWEST)
    with azure_cluster(tmp_path_factory.mktemp("azure")) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: AzureCluster) -> Iterator[AzureCluster]:
    """Yield that control plane without pods."""
    yield shared
    shared.clear()


def test_cluster_mode_while_calls_of_azure_go_wrong(spark: Spark, cluster: AzureCluster) -> None:
    cluster.box.faults = faults = Faults(rate=0.15, seed=1)

    run_pi(cluster, spark(NEWEST))

    cluster.box.faults = Faults()
    ports = re.findall(r"Registering block manager \S+:(\d+) with", cluster.log(cluster.driver()))
    assert ports == ["7079"] * 3, "of the driver and two executors: those that their pods declare"
    assert len(faults.seen) > 2, "too few calls went wrong"


def test_executors_come_and_go_and_a_killed_one_is_replaced(spark: Spark, cluster: AzureCluster) -> None:
    conf = [
        "spark.dynamicAllocation.enabled=true",
        "spark.dynamicAllocation.shuffleTracking.enabled=true",
        "spark.dynamicAllocation.minExecutors=1",
        "spark.dynamicAllocation.maxExecutors=2",
        "spark.dynamicAllocation.executorIdleTimeout=3s",
    ]
    cluster.start(spark(NEWEST), *cluster.program("sleepers.py", "3", "6", "1"), conf=conf)
    until(lambda: len(cluster.running("executor")) == 2, "two executors", seconds=JOB_SECONDS)
    cluster.executors_register(2)

    cluster.kill(cluster.running("executor")[0])

    cluster.driver_says("exited with exit code 137")
    cluster.driver_says("Registered executor", 3)
    driver = cluster.driver_ends()
    assert exit_code(driver) == 0
    assert "round 2: 12 tasks came back" in cluster.log(driver)


def test_a_job_outlives_a_control_plane_that_is_killed(spark: Spark, cluster: AzureCluster) -> None:
    cluster.start(spark(NEWEST), *cluster.sleepers(seconds=3, tasks=6), conf=TWO)
    until(lambda: len(cluster.running("executor")) == 2, "two executors", seconds=JOB_SECONDS)

    cluster.server.kill()
    cluster.server.start()

    driver = cluster.driver_ends()
    assert exit_code(driver) == 0
    assert "6 tasks came back" in cluster.log(driver)
