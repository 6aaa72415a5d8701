"""Real Spark, stock and unmodified, in containers. Each test is named after the scenario it takes from Spark's own
Kubernetes integration suite (resource-managers/kubernetes/integration-tests), where there is one."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.docker_cluster import JOBS_INSIDE, DockerCluster, docker_cluster, image_for, patiently
from tests.e2e.pod_template import TEMPLATE_APP, missing_of_template, submit_with_template
from tests.e2e.spark_cluster import JOB_SECONDS, NAMESPACE, exit_code, spark_pi

pytestmark = [pytest.mark.docker, pytest.mark.spark, pytest.mark.slow]

Spark = Callable[[str], Path]
NEWEST, OLDEST = "4.3.0", "3.5.9"
VERSIONS = (NEWEST, OLDEST)
PI = "Pi is roughly 3.1"
DRIVER, EXECUTOR = "spark-kubernetes-driver", "spark-kubernetes-executor"
ONE = ("spark.executor.instances=1",)
TWO = ("spark.executor.instances=2",)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerCluster]:
    """Yield the control plane that the tests of this module share."""
    for version in VERSIONS:
        image_for(version)
    with docker_cluster(tmp_path_factory.mktemp("docker")) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def _leave_no_pods(cluster: DockerCluster) -> Iterator[None]:
    yield
    cluster.client.delete(f"{NAMESPACE}/pods", gracePeriodSeconds="1")
    patiently(lambda: not cluster.pods(), "the test's pods to be gone")


def sleepers(*, seconds: float, tasks: int, rounds: int = 1, pause: float = 0) -> tuple[str, ...]:
    """Return the program that sleeps in its tasks."""
    return (f"local://{JOBS_INSIDE}/sleepers.py", str(seconds), str(tasks), str(rounds), str(pause))


def finished(job: subprocess.Popen[str]) -> str:
    """Wait for spark-submit to end; return what it said."""
    output, _ = job.communicate(timeout=JOB_SECONDS)
    return output


@pytest.mark.parametrize("version", VERSIONS)
def test_basic_spark_pi_in_cluster_mode(version: str, spark: Spark, cluster: DockerCluster) -> None:
    home = spark(version)

    submitted = cluster.submit(home, *spark_pi(home), name="pi", conf=TWO)

    assert submitted.returncode == 0, submitted.stdout
    driver = cluster.driver_of("pi")
    assert PI in cluster.log(driver)
    assert (driver["status"]["phase"], exit_code(driver)) == ("Succeeded", 0)
    patiently(lambda: not cluster.of_app("pi", "executor"), "the executors to be gone")


@pytest.mark.parametrize("version", VERSIONS)
def test_client_mode(version: str, spark: Spark, cluster: DockerCluster) -> None:
    home = spark(version)
    jar = next(home.glob("examples/jars/*.jar"))
    options = ("--class", "org.apache.spark.examples.SparkPi", str(jar), "20")
    (gateway,) = {config["Gateway"] for config in _network(cluster)["IPAM"]["Config"]}
    here = (f"spark.driver.bindAddress={gateway}", f"spark.driver.host={gateway}")

    ran = cluster.submit(home, *options, name="client-pi", mode="client", conf=(*TWO, *here))

    assert ran.returncode == 0, ran.stdout
    assert PI in ran.stdout
    patiently(lambda: not cluster.pods(), "the executors to be gone")


def _network(cluster: DockerCluster) -> dict[str, dict[str, list[dict[str, str]]]]:
    control_plane = (cluster.server.folder / "control-plane-id").read_text().strip()
    (found,) = cluster.engine.networks(names=[f"sparkanywhere-{control_plane}"])
    network: dict[str, dict[str, list[dict[str, str]]]] = cluster.engine.inspect_network(found["Id"])
    return network


def test_python_with_modules(spark: Spark, cluster: DockerCluster) -> None:
    files = ("--py-files", f"local://{JOBS_INSIDE}/greeting.py", f"local://{JOBS_INSIDE}/uses_module.py")

    submitted = cluster.submit(spark(NEWEST), *files, name="modules", conf=TWO)

    assert submitted.returncode == 0, submitted.stdout
    said = cluster.log(cluster.driver_of("modules"))
    assert "executors said hello-a hello-b hello-c and the driver hello-d" in said


@pytest.mark.parametrize("version", VERSIONS)
def test_dynamic_allocation(version: str, spark: Spark, cluster: DockerCluster) -> None:
    conf = [
        "spark.dynamicAllocation.enabled=true",
        "spark.dynamicAllocation.shuffleTracking.enabled=true",
        "spark.dynamicAllocation.minExecutors=1",
        "spark.dynamicAllocation.maxExecutors=3",
        "spark.dynamicAllocation.executorIdleTimeout=3s",
    ]

    job = cluster.start(
        spark(version), *sleepers(seconds=8, tasks=6, rounds=2, pause=25), name="grows", conf=conf
    )
    patiently(lambda: len(cluster.running_of("grows", "executor")) == 3, "three executors")
    patiently(lambda: len(cluster.running_of("grows", "executor")) == 1, "two less")
    assert cluster.driver_of("grows")["status"]["phase"] == "Running"
    driver = cluster.end_of("grows")

    assert exit_code(driver) == 0
    assert "round 2: 12 tasks came back" in cluster.log(driver)
    finished(job)


def test_decommission(spark: Spark, cluster: DockerCluster) -> None:
    conf = [
        "spark.decommission.enabled=true",
        "spark.storage.decommission.enabled=true",
        "spark.storage.decommission.shuffleBlocks.enabled=true",
        *TWO,
    ]
    job = cluster.start(spark(NEWEST), *sleepers(seconds=2, tasks=16), name="leaves", conf=conf)
    patiently(lambda: _log(cluster, "leaves").count("Registered executor") >= 2, "two executors to register")
    leaving = cluster.running_of("leaves", "executor")[0]["metadata"]["name"]

    cluster.client.delete(f"{NAMESPACE}/pods/{leaving}")

    driver = cluster.end_of("leaves")
    said = cluster.log(driver)
    assert exit_code(driver) == 0, said
    assert "16 tasks came back" in said
    assert re.search(r"Executor \d+ on \S+ is decommissioned", said), "it was lost, not decommissioned"
    finished(job)


def _log(cluster: DockerCluster, app: str) -> str:
    running = cluster.running_of(app, "driver")
    return cluster.log(running[0]) if running else ""


@pytest.mark.parametrize("version", VERSIONS)
def test_an_executor_out_of_memory_is_replaced(version: str, spark: Spark, cluster: DockerCluster) -> None:
    job = cluster.start(
        spark(version), f"local://{JOBS_INSIDE}/eats_memory.py", "1", "0", name="hungry", conf=TWO
    )

    driver = cluster.end_of("hungry")

    said = cluster.log(driver)
    assert exit_code(driver) == 0, said
    assert "4 tasks came back" in said
    assert "137" in said, "Spark was not told how the executor ended"
    assert "OOM" in said
    finished(job)


def test_a_killed_driver_fails_and_takes_its_executors(spark: Spark, cluster: DockerCluster) -> None:
    job = cluster.start(spark(NEWEST), *sleepers(seconds=120, tasks=2), name="beheaded", conf=TWO)
    patiently(lambda: len(cluster.running_of("beheaded", "executor")) == 2, "two executors")

    cluster.engine.kill(cluster.container_of(cluster.driver_of("beheaded"), DRIVER), signal.SIGKILL)

    driver = cluster.end_of("beheaded")
    assert (driver["status"]["phase"], exit_code(driver)) == ("Failed", 137)
    patiently(lambda: not cluster.running_of("beheaded", "executor"), "the executors to end")
    finished(job)


def test_pod_template_with_init_container_sidecar_secrets_config_and_spark_conf(
    spark: Spark, cluster: DockerCluster, tmp_path: Path
) -> None:
    looks_around = f"local://{JOBS_INSIDE}/looks_around.py"

    submit_with_template(cluster, spark(NEWEST), looks_around, tmp_path, conf=ONE)

    driver = cluster.driver_of(TEMPLATE_APP)
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
    job = cluster.start(
        spark(NEWEST), f"local://{JOBS_INSIDE}/looks_around.py", "--", "HOME", name="volumes", conf=conf
    )
    patiently(lambda: bool(cluster.names("persistentvolumeclaims")), "the claim")
    patiently(lambda: bool(cluster.running_of("volumes", "executor")), "the executor")
    container = cluster.container_of(cluster.of_app("volumes", "executor")[0], EXECUTOR)
    mounts = cluster.engine.inspect_container(container)["HostConfig"]["Mounts"]

    driver = cluster.end_of("volumes")

    assert exit_code(driver) == 0, cluster.log(driver)
    assert "executor works in /var/data/claimed" in cluster.log(driver)
    assert {mount["Target"]: mount["Type"] for mount in mounts}["/fast"] == "tmpfs"
    patiently(lambda: not cluster.names("persistentvolumeclaims"), "the claim to be gone")
    finished(job)


def test_several_applications_run_side_by_side(spark: Spark, cluster: DockerCluster) -> None:
    home = spark(NEWEST)
    names = [f"side-{number}" for number in range(3)]

    jobs = [cluster.start(home, *spark_pi(home), name=name, conf=ONE) for name in names]
    for job in jobs:
        finished(job)

    drivers = [cluster.driver_of(name) for name in names]
    assert [exit_code(driver) for driver in drivers] == [0, 0, 0]
    assert all(PI in cluster.log(driver) for driver in drivers)
    assert len({driver["status"]["podIP"] for driver in drivers}) == 3


@pytest.mark.parametrize("version", VERSIONS)
def test_a_job_outlives_a_control_plane_that_is_killed(
    version: str, spark: Spark, cluster: DockerCluster
) -> None:
    job = cluster.start(spark(version), *sleepers(seconds=4, tasks=8), name="outlives", conf=TWO)
    patiently(lambda: len(cluster.running_of("outlives", "executor")) == 2, "two executors")
    before = {pod["metadata"]["uid"] for pod in cluster.pods()}

    cluster.server.kill()
    cluster.server.start()

    assert {pod["metadata"]["uid"] for pod in cluster.pods()} == before
    driver = cluster.end_of("outlives")
    assert exit_code(driver) == 0
    assert "8 tasks came back" in cluster.log(driver)
    patiently(lambda: not cluster.of_app("outlives", "executor"), "the executors to go")
    finished(job)
