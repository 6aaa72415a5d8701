"""Real Spark, stock and unmodified, in containers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contexts import context_of
from tests.e2e.connect_clients import ENGINES, connecting
from tests.e2e.docker_cluster import DockerCluster, docker_cluster, image_for
from tests.e2e.pod_template import DRIVER, missing_of_template, submit_with_template
from tests.e2e.spark_cluster import JOB_SECONDS, exit_code
from tests.e2e.spark_scenarios import NEWEST, ONE, TWO, VERSIONS, Spark, SparkScenarios
from tests.functional.test_job_attempts import run_out_of_memory
from tests.waiting import until

pytestmark = [pytest.mark.docker, pytest.mark.image, pytest.mark.spark, pytest.mark.slow]

EXECUTOR = "spark-kubernetes-executor"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerCluster]:
    """Yield the control plane that the tests of this module share."""
    for version in VERSIONS:
        image_for(version)
    with docker_cluster(tmp_path_factory.mktemp("docker")) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: DockerCluster) -> Iterator[DockerCluster]:
    """Yield that control plane without pods."""
    yield shared
    shared.clear()


class TestOnDocker(SparkScenarios):
    pass


@pytest.mark.timeout(600)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_connect_server_in_a_container_is_used_by_its_url(
    spark: Spark, cluster: DockerCluster, tmp_path: Path, engine: str
) -> None:
    here = context_of(cluster.server.kubeconfig)
    with connecting(spark(NEWEST), tmp_path, here) as connect, connect.client() as ana:
        url = connect(*ENGINES[engine])

        ana.use(url)


def test_an_executor_out_of_memory_is_replaced(spark: Spark, cluster: DockerCluster) -> None:
    submitted = cluster.submit(spark(NEWEST), *cluster.program("eats_memory.py", "1", "0"), conf=TWO)

    driver = cluster.driver()
    said = cluster.log(driver)
    assert exit_code(driver) == 0, submitted.stdout
    assert "4 tasks came back" in said
    assert "137" in said, "Spark was not told how the executor ended"
    assert "OOM" in said


def test_a_driver_that_the_kernel_ends_is_tried_again_with_more_memory(cluster: DockerCluster, tmp_path: Path) -> None:
    run_out_of_memory(cluster.server, tmp_path)


def test_pod_template_with_init_container_sidecar_secrets_config_and_spark_conf(
    spark: Spark, cluster: DockerCluster, tmp_path: Path
) -> None:
    submit_with_template(cluster, spark(NEWEST), tmp_path, conf=ONE)

    driver = cluster.driver()
    assert missing_of_template(driver, cluster.log(driver, DRIVER), cluster.log(driver, "sidecar")) == []


def test_volumes_claims_on_demand_and_memory(spark: Spark, cluster: DockerCluster) -> None:
    claim = "spark.kubernetes.executor.volumes.persistentVolumeClaim.spark-local-dir-1"
    memory = "spark.kubernetes.executor.volumes.emptyDir.fast"
    conf = [
        f"{claim}.options.claimName=OnDemand",
        f"{claim}.options.storageClass=standard",
        f"{claim}.options.sizeLimit=1Gi",
        f"{claim}.mount.path=/var/data/claimed",
        f"{memory}.options.medium=Memory",
        f"{memory}.options.sizeLimit=64Mi",
        f"{memory}.mount.path=/fast",
        *ONE,
    ]
    cluster.start(spark(NEWEST), *cluster.program("looks_around.py", "--", "HOME"), conf=conf)
    until(lambda: bool(cluster.running("executor")), "an executor, whose job is over soon", seconds=JOB_SECONDS)
    assert cluster.names("persistentvolumeclaims")
    container = cluster.container_of(cluster.running("executor")[0], EXECUTOR)
    mounts = cluster.engine.inspect_container(container)["HostConfig"]["Mounts"]

    driver = cluster.driver_ends()

    assert exit_code(driver) == 0, cluster.log(driver)
    assert "executor works in /var/data/claimed" in cluster.log(driver)
    assert {mount["Target"]: mount["Type"] for mount in mounts}["/fast"] == "tmpfs"
    until(lambda: not cluster.names("persistentvolumeclaims"), "the claim to be gone", seconds=JOB_SECONDS)


def test_a_job_outlives_a_control_plane_that_is_killed(spark: Spark, cluster: DockerCluster) -> None:
    cluster.start(spark(NEWEST), *cluster.sleepers(seconds=4, tasks=8), conf=TWO)
    until(lambda: len(cluster.running("executor")) == 2, "two executors", seconds=JOB_SECONDS)
    before = {pod["metadata"]["uid"] for pod in cluster.pods()}

    cluster.server.kill()
    cluster.server.start()

    assert {pod["metadata"]["uid"] for pod in cluster.pods()} == before
    driver = cluster.driver_ends()
    assert exit_code(driver) == 0
    assert "8 tasks came back" in cluster.log(driver)
    until(lambda: not cluster.pods("executor"), "the executors to go", seconds=JOB_SECONDS)
