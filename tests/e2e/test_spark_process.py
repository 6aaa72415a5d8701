"""Real Spark, stock and unmodified, on local processes."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.spark_cluster import (
    JOB_SECONDS,
    JOBS,
    SparkCluster,
    answers,
    exit_code,
    java_of,
    sleepers,
    spark_cluster,
    spark_pi,
)
from tests.functional.waiting import until

pytestmark = [pytest.mark.spark, pytest.mark.slow]

Spark = Callable[[str], Path]
VERSIONS = ("4.3.0", "3.5.9")
PI = "Pi is roughly 3.1"


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
        assert cluster.pods("executor") == []


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
    assert cluster.pods() == []


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


@pytest.mark.parametrize(
    ("version", "moment"),
    [
        ("4.3.0", "driver starts"),
        ("4.3.0", "executors start"),
        ("4.3.0", "tasks run"),
        ("3.5.9", "tasks run"),
    ],
)
def test_a_job_outlives_a_control_plane_that_is_killed(
    version: str, moment: str, spark: Spark, cluster: SparkCluster
) -> None:
    conf = ["spark.executor.instances=2"]
    job = cluster.start(spark(version), *sleepers(seconds=4, tasks=8), conf=conf)
    match moment:
        case "driver starts":
            until(lambda: len(cluster.running("driver")) == 1, "a driver", seconds=JOB_SECONDS)
        case "executors start":
            until(lambda: len(cluster.pods("executor")) >= 1, "an executor", seconds=JOB_SECONDS)
        case _:
            cluster.executors_register(2)
    before = {pod["metadata"]["uid"] for pod in cluster.pods()}

    cluster.server.kill()
    assert not answers(cluster)
    cluster.server.start()

    assert before <= {pod["metadata"]["uid"] for pod in cluster.pods()}
    driver = cluster.driver_ends()
    assert exit_code(driver) == 0, cluster.log(driver)
    assert "8 tasks came back" in cluster.log(driver)
    until(lambda: not cluster.pods("executor"), "the executors to be gone", seconds=JOB_SECONDS)
    job.communicate(timeout=JOB_SECONDS)
