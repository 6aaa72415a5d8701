"""Real Spark, stock and unmodified, on local processes."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.pod_template import DRIVER, missing_of_template, submit_with_template
from tests.e2e.spark_cluster import (
    JOB_SECONDS,
    JOBS,
    NAMESPACE,
    SparkCluster,
    answers,
    exit_code,
    is_over,
    java_of,
    sleepers,
    spark_cluster,
    spark_pi,
)
from tests.waiting import until

pytestmark = [pytest.mark.spark, pytest.mark.slow]

Spark = Callable[[str], Path]
VERSIONS = ("4.3.0", "3.5.9")
PI = "Pi is roughly 3.1"
KILLS = 6
KILL_PAUSES = (0.0, 6.0)  # seconds between the last start and the next kill


@pytest.mark.parametrize("version", VERSIONS)
def test_cluster_mode_runs_to_its_end_through_either_watch(
    version: str, watch: str, spark: Spark, tmp_path: Path
) -> None:
    home = spark(version)
    with spark_cluster(tmp_path, SPARKANYWHERE_WATCH=watch) as cluster:
        submitted = cluster.submit(home, *spark_pi(home), conf=["spark.executor.instances=2"])

        assert submitted.returncode == 0, submitted.stdout
        driver = cluster.driver()
        assert PI in cluster.log(driver)
        assert (driver["status"]["phase"], exit_code(driver)) == ("Succeeded", 0)
        until(lambda: not cluster.pods("executor"), "the executors to be gone")


@pytest.mark.parametrize("version", VERSIONS)
def test_deleting_a_driver_takes_all_that_it_owned(version: str, spark: Spark, cluster: SparkCluster) -> None:
    home = spark(version)
    before = cluster.names("configmaps") | cluster.names("services")
    job = cluster.start(home, *sleepers(seconds=120, tasks=2), conf=["spark.executor.instances=1"])
    cluster.executors_register(1)

    cluster.client.delete(f"/api/v1/namespaces/default/pods/{cluster.driver()['metadata']['name']}")

    until(lambda: not cluster.pods(), "driver and executors to be gone", seconds=JOB_SECONDS)
    until(lambda: cluster.names("configmaps") | cluster.names("services") == before, "the rest to be gone")
    job.communicate(timeout=JOB_SECONDS)


@pytest.mark.parametrize("version", VERSIONS)
def test_client_mode_runs_the_driver_here_and_the_executors_as_pods(
    version: str, spark: Spark, cluster: SparkCluster
) -> None:
    home = spark(version)
    jar = next(home.glob("examples/jars/*.jar"))
    options = ("--class", "org.apache.spark.examples.SparkPi", str(jar), "20")

    ran = cluster.submit(home, *options, mode="client", conf=["spark.executor.instances=2"])

    assert ran.returncode == 0, ran.stdout
    assert PI in ran.stdout
    until(lambda: not cluster.pods(), "the executors to be gone")


def test_python_modules_reach_driver_and_executors(spark: Spark, cluster: SparkCluster) -> None:
    files = ("--py-files", f"local://{JOBS / 'greeting.py'}", f"local://{JOBS / 'uses_module.py'}")

    submitted = cluster.submit(spark("4.3.0"), *files, conf=["spark.executor.instances=2"])

    assert submitted.returncode == 0, submitted.stdout
    said = cluster.log(cluster.driver())
    assert "executors said hello-a hello-b hello-c and the driver hello-d" in said


@pytest.mark.parametrize("version", VERSIONS)
def test_dynamic_allocation_grows_and_shrinks(version: str, spark: Spark, cluster: SparkCluster) -> None:
    conf = [
        "spark.dynamicAllocation.enabled=true",
        "spark.dynamicAllocation.shuffleTracking.enabled=true",
        "spark.dynamicAllocation.minExecutors=1",
        "spark.dynamicAllocation.maxExecutors=3",
        "spark.dynamicAllocation.executorIdleTimeout=3s",
    ]

    job = cluster.start(spark(version), *sleepers(seconds=8, tasks=6, rounds=2, pause=25), conf=conf)
    until(lambda: len(cluster.running("executor")) == 3, "three executors", seconds=JOB_SECONDS)
    until(lambda: len(cluster.running("executor")) == 1, "two executors less", seconds=JOB_SECONDS)
    assert cluster.driver()["status"]["phase"] == "Running"
    driver = cluster.driver_ends()

    assert exit_code(driver) == 0
    assert "round 2: 12 tasks came back" in cluster.log(driver)
    job.communicate(timeout=JOB_SECONDS)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_killed_executor_is_replaced(version: str, spark: Spark, cluster: SparkCluster) -> None:
    job = cluster.start(spark(version), *sleepers(seconds=3, tasks=12), conf=["spark.executor.instances=2"])
    cluster.executors_register(2)
    victim = cluster.running("executor")[0]

    java_of(victim).send_signal(signal.SIGKILL)

    driver = cluster.driver_ends()
    job.communicate(timeout=JOB_SECONDS)
    log = cluster.log(driver)
    assert exit_code(driver) == 0, log
    assert "12 tasks came back" in log
    assert "with ID 3" in log, "no third executor came"
    assert "exit code 137" in log, "Spark was not told how the executor ended"


def test_a_killed_driver_fails_and_takes_its_executors(spark: Spark, cluster: SparkCluster) -> None:
    job = cluster.start(spark("4.3.0"), *sleepers(seconds=120, tasks=2), conf=["spark.executor.instances=2"])
    cluster.executors_register(2)

    java_of(cluster.driver()).send_signal(signal.SIGKILL)

    driver = cluster.driver_ends()
    assert (driver["status"]["phase"], exit_code(driver)) == ("Failed", 137)
    until(lambda: not cluster.running("executor"), "the executors to end", seconds=JOB_SECONDS)
    job.communicate(timeout=JOB_SECONDS)


def test_an_executor_out_of_memory_is_replaced(spark: Spark, cluster: SparkCluster) -> None:
    conf = ["spark.executor.instances=2"]
    program = (f"local://{JOBS / 'eats_memory.py'}", "1", "0.05")

    submitted = cluster.submit(spark("4.3.0"), *program, conf=conf)

    driver = cluster.driver()
    said = cluster.log(driver)
    assert exit_code(driver) == 0, submitted.stdout
    assert "4 tasks came back" in said
    assert "exit code 137" in said, "Spark was not told how the executor ended"
    assert "OOM" in said


def test_decommission(spark: Spark, cluster: SparkCluster) -> None:
    conf = [
        "spark.decommission.enabled=true",
        "spark.storage.decommission.enabled=true",
        "spark.storage.decommission.shuffleBlocks.enabled=true",
        "spark.executor.instances=2",
    ]
    job = cluster.start(spark("4.3.0"), *sleepers(seconds=2, tasks=10), conf=conf)
    cluster.executors_register(2)
    leaving = cluster.running("executor")[0]["metadata"]["name"]

    cluster.client.delete(f"{NAMESPACE}/pods/{leaving}")

    driver = cluster.driver_ends()
    said = cluster.log(driver)
    assert exit_code(driver) == 0, said
    assert "10 tasks came back" in said
    assert re.search(r"Executor \d+ on \S+ is decommissioned", said), "it was lost, not decommissioned"
    job.communicate(timeout=JOB_SECONDS)


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
        "spark.executor.instances=1",
    ]

    submit_with_template(cluster, spark("4.3.0"), f"local://{JOBS / 'looks_around.py'}", tmp_path, conf=conf)

    driver = cluster.driver()
    said = cluster.log(driver, DRIVER)
    assert missing_of_template(driver, said, cluster.log(driver, "sidecar")) == []
    assert re.search(r"executor works in \S*/named-volumes/", said), said
    until(lambda: not cluster.names("persistentvolumeclaims"), "the claim to be gone", seconds=JOB_SECONDS)


def test_several_applications_run_side_by_side(spark: Spark, cluster: SparkCluster) -> None:
    home = spark("4.3.0")

    jobs = [
        cluster.start(home, *spark_pi(home), name=f"job-{number}", conf=["spark.executor.instances=1"])
        for number in range(3)
    ]
    for job in jobs:
        job.communicate(timeout=JOB_SECONDS)

    drivers = cluster.pods("driver")
    assert [exit_code(driver) for driver in drivers] == [0, 0, 0]
    assert all(PI in cluster.log(driver) for driver in drivers)
    assert len({driver["status"]["podIP"] for driver in drivers}) == 3


def test_a_program_that_fails_is_told_by_its_pod(spark: Spark, cluster: SparkCluster, tmp_path: Path) -> None:
    program = tmp_path / "fails.py"
    program.write_text("raise SystemExit(3)\n")

    cluster.submit(spark("4.3.0"), f"local://{program}")

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
    conf = ["spark.executor.instances=2"]
    job = cluster.start(spark(version), *sleepers(seconds=2, tasks=16), conf=conf)
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


def words_of(job: subprocess.Popen[str]) -> str:
    """Wait for spark-submit to end, and make it; return what it said."""
    try:
        return job.communicate(timeout=JOB_SECONDS)[0]
    except subprocess.TimeoutExpired:
        job.terminate()
        return job.communicate(timeout=JOB_SECONDS)[0]


def phases(cluster: SparkCluster) -> str:
    """Return what runs, for people: `driver 1/1 executors 1/2`."""
    counts = [(len(cluster.running(role)), len(cluster.pods(role))) for role in ("driver", "executor")]
    return ", ".join(f"{run} of {there}" for run, there in counts)
