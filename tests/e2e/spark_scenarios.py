"""The scenarios that go the same way on processes and in containers; a test file for each takes them all.

The names are those of Spark's own suite (resource-managers/kubernetes/integration-tests), where there is one.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.spark_cluster import JOB_SECONDS, NAMESPACE, SparkCluster, exit_code, spark_pi
from tests.e2e.texts import MODULE, SEEN, TEXTS, VARIABLES, said_to_stock, said_to_submit
from tests.waiting import until

Spark = Callable[[str], Path]
NEWEST, OLDEST = "4.3.0", "3.5.9"
VERSIONS = (NEWEST, OLDEST)
PI = "Pi is roughly 3.1"
ONE = ("spark.executor.instances=1",)
TWO = ("spark.executor.instances=2",)
ALLOCATOR = "spark.kubernetes.allocation.pods.allocator"


class SparkScenarios:
    """Tests that ask for a `cluster` without pods, and a `spark` that gives the SPARK_HOME of a version."""

    @pytest.mark.parametrize("version", VERSIONS)
    def test_client_mode_runs_the_driver_here_and_the_executors_as_pods(
        self, version: str, spark: Spark, cluster: SparkCluster
    ) -> None:
        home = spark(version)
        jar = next(home.glob("examples/jars/*.jar"))
        options = ("--class", "org.apache.spark.examples.SparkPi", str(jar), "20")

        ran = cluster.submit(home, *options, mode="client", conf=[*TWO, *cluster.conf_of_driver_here()])

        assert ran.returncode == 0, ran.stdout
        assert PI in ran.stdout
        until(lambda: not cluster.pods(), "the executors to be gone", seconds=JOB_SECONDS)

    def test_python_modules_reach_driver_and_executors(self, spark: Spark, cluster: SparkCluster) -> None:
        files = ("--py-files", *cluster.program("greeting.py"), *cluster.program("uses_module.py"))

        submitted = cluster.submit(spark(NEWEST), *files, conf=TWO)

        assert submitted.returncode == 0, submitted.stdout
        said = cluster.log(cluster.driver())
        assert "executors said hello-a hello-b hello-c and the driver hello-d" in said

    def test_texts_and_file_names_arrive_as_they_were_typed(
        self, spark: Spark, cluster: SparkCluster, tmp_path: Path
    ) -> None:
        home = spark(NEWEST)

        stock, ours = said_to_stock(cluster, home), said_to_submit(cluster, home, tmp_path)

        for what in ("conf", "executor env", "name"):
            assert ours[what] == stock[what]
        assert (ours["args"], ours["env"]) == (list(TEXTS), VARIABLES)  # stock lets Kubernetes expand $(NAME)
        assert ours["files"] == ours["executor files"] == {name: name for name in SEEN}
        assert ours["modules"] == ours["executor modules"] == [MODULE]

    @pytest.mark.parametrize("version", VERSIONS)
    def test_dynamic_allocation_grows_and_shrinks(self, version: str, spark: Spark, cluster: SparkCluster) -> None:
        conf = [
            "spark.dynamicAllocation.enabled=true",
            "spark.dynamicAllocation.shuffleTracking.enabled=true",
            "spark.dynamicAllocation.minExecutors=1",
            "spark.dynamicAllocation.maxExecutors=3",
            "spark.dynamicAllocation.executorIdleTimeout=3s",
        ]

        cluster.start(spark(version), *cluster.program("sleepers.py", "6", "8", "1"), conf=conf)
        until(lambda: len(cluster.running("executor")) == 3, "three executors", seconds=JOB_SECONDS)
        until(lambda: len(cluster.running("executor")) == 1, "two executors less", seconds=JOB_SECONDS)
        assert cluster.driver()["status"]["phase"] == "Running"
        driver = cluster.driver_ends()

        assert exit_code(driver) == 0
        assert "round 2: 16 tasks came back" in cluster.log(driver)

    def test_executors_of_a_stateful_set(self, spark: Spark, cluster: SparkCluster) -> None:
        run_with_allocator("statefulset", "StatefulSet", spark(NEWEST), cluster)

    def test_executors_of_a_deployment(self, spark: Spark, cluster: SparkCluster) -> None:
        run_with_allocator("deployment", "ReplicaSet", spark(NEWEST), cluster)

    def test_a_killed_driver_fails_and_takes_its_executors(self, spark: Spark, cluster: SparkCluster) -> None:
        cluster.start(spark(NEWEST), *cluster.sleepers(seconds=120, tasks=2), conf=TWO)
        cluster.executors_register(2)

        cluster.kill(cluster.driver())

        driver = cluster.driver_ends()
        assert (driver["status"]["phase"], exit_code(driver)) == ("Failed", 137)
        until(lambda: not cluster.running("executor"), "the executors to end", seconds=JOB_SECONDS)

    def test_decommission(self, spark: Spark, cluster: SparkCluster) -> None:
        conf = [
            "spark.decommission.enabled=true",
            "spark.storage.decommission.enabled=true",
            "spark.storage.decommission.shuffleBlocks.enabled=true",
            *TWO,
        ]
        cluster.start(spark(NEWEST), *cluster.sleepers(seconds=2, tasks=20), conf=conf)
        cluster.executors_register(2)
        leaving = cluster.running("executor")[0]["metadata"]["name"]

        cluster.client.delete(f"{NAMESPACE}/pods/{leaving}")
        cluster.driver_says(r"Executor \d+ on \S+ is decommissioned")

        driver = cluster.driver_ends()
        said = cluster.log(driver)
        assert exit_code(driver) == 0, said
        assert "20 tasks came back" in said

    def test_several_applications_run_side_by_side(self, spark: Spark, cluster: SparkCluster) -> None:
        home = spark(NEWEST)

        jobs = [cluster.start(home, *spark_pi(home), name=f"side-{number}", conf=ONE) for number in range(3)]
        for job in jobs:
            words_of(job)

        drivers = cluster.pods("driver")
        assert [exit_code(driver) for driver in drivers] == [0, 0, 0]
        assert all(PI in cluster.log(driver) for driver in drivers)
        assert len({driver["status"]["podIP"] for driver in drivers}) == 3


def run_pi(cluster: SparkCluster, home: Path) -> None:
    """Run SparkPi in cluster mode, and see that it went well and took its executors along."""
    submitted = cluster.submit(home, *spark_pi(home), conf=TWO)

    assert submitted.returncode == 0, submitted.stdout
    driver = cluster.driver()
    assert PI in cluster.log(driver)
    assert (driver["status"]["phase"], exit_code(driver)) == ("Succeeded", 0)
    until(lambda: not cluster.pods("executor"), "the executors to be gone", seconds=JOB_SECONDS)


def run_with_allocator(allocator: str, owner: str, home: Path, cluster: SparkCluster) -> None:
    """Run a job whose executors a workload makes, and see that it does, and leaves with the job."""
    conf = [*TWO, f"{ALLOCATOR}={allocator}"]
    cluster.start(home, *cluster.sleepers(seconds=1, tasks=8), conf=conf)
    cluster.executors_register(2)
    owners = {each["kind"] for pod in cluster.pods("executor") for each in pod["metadata"]["ownerReferences"]}

    driver = cluster.driver_ends()

    said = cluster.log(driver)
    assert owners == {owner}
    assert exit_code(driver) == 0, said
    assert "8 tasks came back" in said
    until(lambda: not cluster.pods("executor"), "the executors to be gone", seconds=JOB_SECONDS)


def words_of(job: subprocess.Popen[str]) -> str:
    """Wait for spark-submit to end, and make it if need be; return what it said."""
    try:
        return job.communicate(timeout=JOB_SECONDS)[0]
    except subprocess.TimeoutExpired:
        job.terminate()
        return job.communicate(timeout=JOB_SECONDS)[0]
