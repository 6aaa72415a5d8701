"""Real Spark, stock and unmodified, on local processes."""

from __future__ import annotations

import os
import random
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.plugin_scenarios import PluginScenarios
from tests.e2e.pod_template import DRIVER, missing_of_template, submit_with_template
from tests.e2e.spark_cluster import JOB_SECONDS, NAMESPACE, SparkCluster, answers, exit_code, is_over, spark_cluster
from tests.e2e.spark_scenarios import NEWEST, ONE, TWO, VERSIONS, Spark, SparkScenarios, words_of
from tests.waiting import until

pytestmark = [pytest.mark.spark, pytest.mark.slow]

KILLS = 6
KILL_PAUSES = (0.0, 6.0)  # seconds between the last start and the next kill


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkCluster]:
    """Yield the control plane that the tests of this module share."""
    with spark_cluster(tmp_path_factory.mktemp("processes")) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: SparkCluster) -> Iterator[SparkCluster]:
    """Yield that control plane without pods."""
    yield shared
    shared.clear()


class TestOnProcesses(SparkScenarios, PluginScenarios):
    pass


@pytest.mark.parametrize("version", VERSIONS)
def test_deleting_a_driver_takes_all_that_it_owned(version: str, spark: Spark, cluster: SparkCluster) -> None:
    home = spark(version)
    before = cluster.names("configmaps") | cluster.names("services")
    cluster.start(home, *cluster.sleepers(seconds=120, tasks=2), conf=ONE)
    cluster.executors_register(1)

    cluster.client.delete(f"{NAMESPACE}/pods/{cluster.driver()['metadata']['name']}")

    until(lambda: not cluster.pods(), "driver and executors to be gone", seconds=JOB_SECONDS)
    until(lambda: cluster.names("configmaps") | cluster.names("services") <= before, "the rest to be gone")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_killed_executor_is_replaced(version: str, spark: Spark, cluster: SparkCluster) -> None:
    cluster.start(spark(version), *cluster.sleepers(seconds=3, tasks=12), conf=TWO)
    cluster.executors_register(2)

    cluster.kill(cluster.running("executor")[0])

    driver = cluster.driver_ends()
    log = cluster.log(driver)
    assert exit_code(driver) == 0, log
    assert "12 tasks came back" in log
    assert "with ID 3" in log, "no third executor came"
    assert "exit code 137" in log, "Spark was not told how the executor ended"


def test_an_executor_out_of_memory_is_replaced(spark: Spark, cluster: SparkCluster) -> None:
    submitted = cluster.submit(spark(NEWEST), *cluster.program("eats_memory.py", "1", "0.05"), conf=TWO)

    driver = cluster.driver()
    said = cluster.log(driver)
    assert exit_code(driver) == 0, submitted.stdout
    assert "4 tasks came back" in said
    assert "exit code 137" in said, "Spark was not told how the executor ended"
    assert "OOM" in said


def test_pod_template_with_all_around_it_and_a_claim_on_demand(
    spark: Spark, cluster: SparkCluster, tmp_path: Path
) -> None:
    claim = "spark.kubernetes.executor.volumes.persistentVolumeClaim.spark-local-dir-1"
    memory = "spark.kubernetes.executor.volumes.emptyDir.fast"
    conf = [
        f"{claim}.options.claimName=OnDemand",
        f"{claim}.options.storageClass=standard",
        f"{claim}.options.sizeLimit=1Gi",
        f"{claim}.mount.path=/var/data/claimed",
        f"{memory}.options.medium=Memory",
        f"{memory}.mount.path=/fast",
        *ONE,
    ]

    submit_with_template(cluster, spark(NEWEST), tmp_path, conf=conf)

    driver = cluster.driver()
    said = cluster.log(driver, DRIVER)
    assert missing_of_template(driver, said, cluster.log(driver, "sidecar")) == []
    # the claim's own mount, or, where the kernel gives no mount namespace, its folder
    assert re.search(r"executor works in (/var/data/claimed|\S*/named-volumes)/", said), said
    until(lambda: not cluster.names("persistentvolumeclaims"), "the claim to be gone", seconds=JOB_SECONDS)


def test_a_program_that_fails_is_told_by_its_pod(spark: Spark, cluster: SparkCluster, tmp_path: Path) -> None:
    program = tmp_path / "fails.py"
    program.write_text("raise SystemExit(3)\n")

    cluster.submit(spark(NEWEST), f"local://{program}")

    driver = cluster.driver()
    assert (driver["status"]["phase"], exit_code(driver)) == ("Failed", 3)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_job_outlives_a_control_plane_that_is_killed_again_and_again(
    version: str, spark: Spark, cluster: SparkCluster
) -> None:
    """Once while the driver's JVM starts, then again and again from its first executor to the job's end.

    SPARKANYWHERE_TEST_SEED chooses other moments. In between is one where stock Spark has no patience: a request
    of its SparkContext's that is under way when the connection breaks is not repeated and ends the driver.
    """
    seed = os.environ.get("SPARKANYWHERE_TEST_SEED", version)
    chance = random.Random(seed)
    job = cluster.start(spark(version), *cluster.sleepers(seconds=2, tasks=16), conf=TWO)
    kills: list[tuple[float, str]] = []  # seconds after the driver's start, and how far the job was

    until(lambda: bool(cluster.running("driver")), "the driver to run", seconds=JOB_SECONDS)
    began = time.monotonic()
    restart(cluster)
    until(lambda: bool(cluster.pods("executor")), "an executor", seconds=JOB_SECONDS)
    while len(kills) < KILLS and not (cluster.pods("driver") and is_over(cluster.driver())):
        pause = chance.uniform(*KILL_PAUSES)
        with suppress(subprocess.TimeoutExpired):  # it waits for its driver: if it ends, so has the job
            job.wait(pause)
        kills.append((round(time.monotonic() - began, 1), phases(cluster)))
        restart(cluster)

    story = f"seed {seed}, killed at {kills}"
    print(story)
    said = words_of(job)
    driver = cluster.driver_ends()
    assert exit_code(driver) == 0, f"{story}\n{cluster.log(driver)}\n{said}"
    assert "16 tasks came back" in cluster.log(driver), story
    assert kills, "the job was over before the first kill"
    until(lambda: not cluster.pods("executor"), "the executors to be gone", seconds=JOB_SECONDS)


def restart(cluster: SparkCluster) -> None:
    """Kill the control plane, start it again, and see that it knows the driver."""
    driver = cluster.driver()["metadata"]["uid"]
    cluster.server.kill()
    assert not answers(cluster)
    cluster.server.start()
    assert cluster.driver()["metadata"]["uid"] == driver


def phases(cluster: SparkCluster) -> str:
    """Return what runs, for people: `driver 1/1 executors 1/2`."""
    counts = [(len(cluster.running(role)), len(cluster.pods(role))) for role in ("driver", "executor")]
    return ", ".join(f"{run} of {there}" for run, there in counts)
