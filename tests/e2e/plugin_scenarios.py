"""Plugins and allocation settings of Spark's own documentation (Running on Kubernetes), each in a job that runs."""

from __future__ import annotations

import re

from tests.e2e.spark_cluster import JOB_SECONDS, SparkCluster, exit_code
from tests.e2e.spark_scenarios import NEWEST, TWO, Spark
from tests.waiting import until

PLUGINS = "org.apache.spark.scheduler.cluster.k8s"
CLAIM = "spark.kubernetes.executor.volumes.persistentVolumeClaim.spark-local-dir-1"
CLAIMED = (
    f"{CLAIM}.options.claimName=OnDemand",
    f"{CLAIM}.options.storageClass=standard",
    f"{CLAIM}.options.sizeLimit=1Gi",
    f"{CLAIM}.mount.path=/var/data/claimed",
)


class PluginScenarios:
    """Tests that ask for a `cluster` without pods, and a `spark` that gives the SPARK_HOME of a version."""

    def test_executors_are_rolled(self, spark: Spark, cluster: SparkCluster) -> None:
        conf = [
            f"spark.plugins={PLUGINS}.ExecutorRollPlugin",
            "spark.kubernetes.executor.rollInterval=10s",
            "spark.kubernetes.executor.rollPolicy=ID",
            "spark.kubernetes.executor.minTasksPerExecutorBeforeRolling=5",  # else a slow machine rolls on and on
            "spark.decommission.enabled=true",
            *TWO,
        ]

        cluster.start(spark(NEWEST), *cluster.sleepers(seconds=2, tasks=40), conf=conf)
        until(lambda: bool(cluster.pods("driver")), "a driver", seconds=JOB_SECONDS)
        driver = cluster.driver_ends()

        said = cluster.log(driver)
        assert exit_code(driver) == 0, said
        assert "40 tasks came back" in said
        assert "with ID 3" in said, "no executor took the place of the one that was rolled"
        assert re.search(r"Executor 1 on \S+ is decommissioned", said), "it was lost, not decommissioned"

    def test_a_claim_is_reused_by_the_next_executor(self, spark: Spark, cluster: SparkCluster) -> None:
        words = ("own", "reuse", "waitToReuse")  # without the last a new one may be made while the dead pod goes
        own = [f"spark.kubernetes.driver.{word}PersistentVolumeClaim=true" for word in words]
        own += ["spark.kubernetes.allocation.executor.timeout=10s"]  # a younger claim is none to be reused
        cluster.start(spark(NEWEST), *cluster.sleepers(seconds=2, tasks=60), conf=[*own, *CLAIMED, *TWO])
        cluster.executors_register(2)
        claims = cluster.names("persistentvolumeclaims")

        cluster.kill(cluster.running("executor")[0])
        driver = cluster.driver_ends()

        said = cluster.log(driver)
        assert exit_code(driver) == 0, said
        assert "60 tasks came back" in said
        assert "with ID 3" in said, "no third executor came"
        assert re.search(r"Found [1-9]\d* reusable PVCs", said), "the claim was not free"
        assert (len(claims), cluster.names("persistentvolumeclaims") - claims) == (2, set())

    def test_a_job_whose_executors_cannot_be_resized_goes_on(self, spark: Spark, cluster: SparkCluster) -> None:
        conf = [
            f"spark.plugins={PLUGINS}.ExecutorResizePlugin",
            "spark.kubernetes.executor.resizeInterval=5s",
            "spark.kubernetes.executor.resizeThreshold=0.01",
            *TWO,
        ]

        cluster.start(spark(NEWEST), *cluster.sleepers(seconds=2, tasks=30), conf=conf)
        until(lambda: bool(cluster.pods("driver")), "a driver", seconds=JOB_SECONDS)
        driver = cluster.driver_ends()

        said = cluster.log(driver)
        assert exit_code(driver) == 0, said
        assert "30 tasks came back" in said
        assert "the resources of a running pod cannot be changed here" in said
        until(lambda: not cluster.pods("executor"), "the executors to be gone", seconds=JOB_SECONDS)
